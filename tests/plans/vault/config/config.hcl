ui = {{cfg.ui}}
max_lease_ttl = {{toJson cfg.max_lease_ttl}}
listener "tcp" {
  address = "{{cfg.listener.address}}"
  {{#if (and cfg.listener.tls_disable (not cfg.listener.cert))}}
  tls_disable = {{cfg.listener.tls_disable}}
  {{else}}
  tls_cert_file = "{{pkg.svc_files_path}}/{{cfg.listener.cert}}"
  {{/if}}
}
{{#if (or (eq cfg.backend.storage "consul") bind.storage)}}
storage "consul" {
  {{#if bind.storage}}
  address = "{{bind.storage.first.sys.ip}}:{{bind.storage.first.cfg.http}}"
  {{else}}
  address = "127.0.0.1:8500"
  {{/if}}
  path = "{{cfg.backend.path}}"
}
{{else if (eq cfg.backend.storage "raft")}}
storage "raft" { path = "{{pkg.svc_data_path}}" }
{{else}}
storage "inmem" {}
{{/if}}
api_addr = "http://{{sys.ip}}:8200"
