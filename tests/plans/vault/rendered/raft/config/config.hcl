ui = true
max_lease_ttl = "768h"
listener "tcp" {
  address = "0.0.0.0:8200"
  tls_cert_file = "/hab/svc/vault/files/tls.pem"
}
storage "raft" { path = "/hab/svc/vault/data" }
api_addr = "http://10.0.1.1:8200"
