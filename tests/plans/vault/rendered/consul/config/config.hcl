ui = true
max_lease_ttl = "768h"
listener "tcp" {
  address = "0.0.0.0:8200"
  tls_disable = 1
}
storage "consul" {
  address = "10.0.1.4:8500"
  path = "vault"
}
api_addr = "http://10.0.1.1:8200"
