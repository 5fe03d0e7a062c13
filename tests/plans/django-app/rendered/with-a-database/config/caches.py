CACHES = {
    "default": {"TIMEOUT": 60, "DB": 0},
    "sessions": {"TIMEOUT": 3600, "DB": 1},
}
DEBUG = False
ALLOWED_HOSTS = [
  "*"
]
