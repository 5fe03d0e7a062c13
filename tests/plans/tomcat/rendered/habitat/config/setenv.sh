JAVA_OPTS="$JAVA_OPTS -XX:+UseG1GC -Dfile.encoding=UTF-8 -Duser.timezone=UTC -Dnetworkaddress.cache.ttl=30"
export JAVA_OPTS CATALINA_PID=/hab/svc/tomcat/var/tomcat.pid
