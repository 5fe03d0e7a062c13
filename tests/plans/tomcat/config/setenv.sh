JAVA_OPTS="$JAVA_OPTS{{#each cfg.java.opts}} {{this}}{{/each}}{{#each cfg.java.properties}} -D{{@key}}={{this}}{{/each}}"
{{#if kube.container.resources.limits.memory_bytes}}
JAVA_OPTS="$JAVA_OPTS -XX:MaxRAM={{kube.container.resources.limits.memory_bytes}} -XX:MaxRAMPercentage={{cfg.java.heap_percent}}"
{{/if}}
{{#if (gt kube.container.resources.limits.cpu_millis 1000)}}
JAVA_OPTS="$JAVA_OPTS -XX:ActiveProcessorCount=2"
{{/if}}
export JAVA_OPTS CATALINA_PID={{pkg.svc_var_path}}/tomcat.pid
