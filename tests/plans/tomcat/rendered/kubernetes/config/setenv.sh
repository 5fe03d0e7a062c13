JAVA_OPTS="$JAVA_OPTS -XX:+UseG1GC -Dfile.encoding=UTF-8 -Duser.timezone=UTC -Dnetworkaddress.cache.ttl=30 -Duser.language=en"
JAVA_OPTS="$JAVA_OPTS -XX:MaxRAM=1073741824 -XX:MaxRAMPercentage=75"
JAVA_OPTS="$JAVA_OPTS -XX:ActiveProcessorCount=2"
export JAVA_OPTS CATALINA_PID=/kubesup/svc/tomcat/var/tomcat.pid
