CACHES = {
{{#each cfg.caches as |cache i|}}
    "{{cache.name}}": {"TIMEOUT": {{cache.ttl}}, "DB": {{i}}},
{{/each}}
}
DEBUG = {{#if cfg.debug}}True{{else}}False{{/if}}
ALLOWED_HOSTS = {{toJson cfg.allowed_hosts}}
