#!/usr/bin/env bash
# Images that know nothing of kubesup, each under an injected one with its stock command and stop signal, configured from a
# ConfigMap, in a namespace that admits restricted Pods only. Run by tests/node/run.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
: "${KUBECTL:?}" "${KUBECONFIG:?}" "${NODE_WORK:?}" "${KUBESUP_VERSION:?}" "${POSTGRESQL:?}"
k() { "$KUBECTL" --namespace=restricted "$@"; }
fail() {
  echo "FAILED: $*" >&2
  k get pods -o wide >&2 || true
  for pod in $(k get pods -o name); do
    echo "--- $pod" >&2
    k logs "$pod" --all-containers --tail=25 >&2 || true
  done
  k get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 12 >&2 || true
  exit 1
}
passed=0
holds() { passed=$((passed + 1)); echo "ok $passed - $*"; }
await() { # what, seconds, shell condition
  local deadline=$((SECONDS + $2))
  until eval "$3" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "$1: not within $2 s"
    sleep 0.1
  done
}
k create namespace restricted >/dev/null
k label namespace restricted pod-security.kubernetes.io/enforce=restricted >/dev/null

# The overlay of a program: images as they are on this node, and what else is given.
overlay() { # folder, resources of kustomize, more of the kustomization
  mkdir -p "$1"
  cat >"$1/kustomization.yaml" <<KUSTOMIZATION
namespace: restricted
resources: [$2]
images: [{name: kubesup, newTag: $KUBESUP_VERSION}, {name: nginx, newTag: node}]
$3
KUSTOMIZATION
}
up() { # workload, replicas
  await "$1: $2 ready" 60 '[ "$(k get statefulset '"$1"' -o jsonpath={.status.readyReplicas})" = '"$2"' ]'
}
restarts() { k get pods -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\n"}{end}' | sort; }
# pod: its log, followed until it has gone
stop() {
  k logs "$1" --container=main --follow >"$NODE_WORK/$1.log" 2>&1 &
  local follower=$!
  await "the log of $1 is followed" 10 '[ -s "$NODE_WORK/'"$1"'.log" ]'
  k delete pod "$1" --wait >/dev/null
  wait $follower || true
}

# nginx: examples/injected as it is.
folder=$NODE_WORK/nginx
mkdir -p "$folder"
overlay "$folder" "$(realpath --relative-to="$(realpath "$folder")" "$(realpath "$root")/examples/injected")" "patches:
  - target: {kind: StatefulSet}
    patch: |-
      - {op: add, path: /spec/template/metadata/annotations/kubesup.dev~1topology, value: leader}"
k apply -k "$folder" >/dev/null
up shop-web 3
address=$(k get pod shop-web-0 -o 'jsonpath={.status.podIP}')
page() { curl -sS --max-time 5 "http://$address:8080/"; }
await "nginx lists its three peers" 10 '[ "$(page | grep -o "10\.244\.0\.[0-9]*" | sort -u | wc -l)" = 3 ]'
holds "an unmodified nginx serves what a ConfigMap's template says, restricted"
before=$(restarts)
k patch configmap shop-config --type=merge -p '{"data": {"worker_connections": "77"}}' >/dev/null
await "nginx is reconfigured" 10 'k exec shop-web-0 -c main -- /bin/cat /kubesup/svc/shop/config/nginx.conf | grep -q "worker_connections 77"'
[ "$(restarts)" = "$before" ] || fail "the edit restarted something: $(restarts)"
holds "its reconfigure hook reloads it after an edit, with no restart"
stop shop-web-2
# QUIT is nginx's graceful end; TERM would say "signal 15".
grep -q "signal 3 (SIGQUIT) received" "$NODE_WORK/shop-web-2.log" || fail "nginx did not get QUIT: $(tail -n 20 "$NODE_WORK/shop-web-2.log")"
holds "its image's STOPSIGNAL, QUIT, reaches it"

# The component leader: whoever holds the Lease is deleted.
up shop-web 3
lead() { k get lease kubesup.shop-peers.default -o 'jsonpath={.spec.holderIdentity}'; } # <pod>/<container>/<uid>/<nonce>
await "somebody leads" 20 '[ -n "$(lead)" ]'
was=$(lead)
pod=${was%%/*}
deleted=$(date +%s%N)
k delete pod "$pod" --wait=false >/dev/null
await "another Pod leads" 10 '[ -n "$(lead)" ] && [ "$(lead | cut -d/ -f1)" != "$pod" ]'
took=$((($(date +%s%N) - deleted) / 1000000))
now=$(lead)
await "the former leader is back" 60 '[ "$(k get pod "$pod" -o "jsonpath={.metadata.deletionTimestamp}{.status.containerStatuses[0].ready}")" = true ]'
[ "$(lead)" = "$now" ] || fail "the lead went from $now to $(lead) when $pod came back"
holds "deleting the leader's Pod, $pod, makes ${now%%/*} lead within $took ms, and it stays so"
k delete -k "$folder" --wait >/dev/null
await "nginx is gone" 60 '[ -z "$(k get pods -o name)" ]'

# What the two others have in common: one replica of the program's image, with its stock command as args.
single() { # name, args as JSON, template file, hooks as file names, how kubesup comes in
  local folder=$NODE_WORK/$1 up reference=
  # kustomize's images reach containers only.
  [ "$5" != image-volume ] || reference="
  - target: {kind: StatefulSet}
    patch: |-
      apiVersion: apps/v1
      kind: StatefulSet
      metadata: {name: any}
      spec:
        template:
          spec:
            volumes: [{name: kubesup-image, image: {reference: 'kubesup:$KUBESUP_VERSION'}}]"
  up=$(realpath --relative-to="$(realpath "$folder")" "$(realpath "$root")/manifests")
  overlay "$folder" "$up/base, workload.yaml" "components: [$up/$5, $up/restricted]
namePrefix: $1-
generatorOptions: {disableNameSuffixHash: true}
configMapGenerator: [{name: templates, files: [$3]}, {name: hooks, files: [$4]}]
patches:
  - target: {kind: Role, name: kubesup}
    patch: |-
      - {op: add, path: /rules/2/resourceNames/-, value: templates}
      - {op: add, path: /rules/2/resourceNames/-, value: hooks}$reference"
  cat >"$folder/workload.yaml" <<WORKLOAD
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: it}
spec:
  serviceName: peers
  selector: {matchLabels: {kubesup.dev/supervised: "true"}}
  template:
    metadata:
      labels: {kubesup.dev/supervised: "true", app.kubernetes.io/name: $1}
      annotations: {kubesup.dev/config: $1-config, kubesup.dev/templates: $1-templates, kubesup.dev/hooks: $1-hooks}
    spec:
      serviceAccountName: kubesup
      containers:
        - name: main
          image: docker.io/library/$1:node
          args: $2
          readinessProbe: {httpGet: {path: /readyz, port: 9631}, periodSeconds: 1}
          volumeMounts: [{name: tmp, mountPath: /tmp}, {name: data, mountPath: /data}]
      volumes: [{name: tmp, emptyDir: {}}, {name: data, emptyDir: {}}]
WORKLOAD
  k apply -k "$folder" >/dev/null
  up "$1-it" 1
}

mkdir -p "$NODE_WORK/redis"
cat >"$NODE_WORK/redis/redis.conf" <<'CONF'
dir /tmp
save ""
protected-mode no
maxmemory {{default "16mb" cfg.maxmemory}}
CONF
printf '#!/bin/sh\nexec redis-cli config set maxmemory {{default "16mb" cfg.maxmemory}}\n' >"$NODE_WORK/redis/reconfigure"
asks() { k exec redis-it-0 -c main -- redis-cli config get maxmemory | tail -n 1; }
for form in inject image-volume; do
  single redis '[redis-server, /kubesup/svc/redis/config/redis.conf]' redis.conf reconfigure "$form"
  await "redis has the template's memory" 10 '[ "$(asks)" = 16777216 ]'
  k patch configmap redis-config --type=merge -p '{"data": {"maxmemory": "8mb"}}' >/dev/null
  await "redis is reconfigured" 10 '[ "$(asks)" = 8388608 ]'
  [ "$(restarts | awk '{ print $2 }')" = 0 ] || fail "redis was restarted"
  stop redis-it-0
  grep -q "Redis is now ready to exit, bye bye" "$NODE_WORK/redis-it-0.log" || fail "redis did not end in order: $(tail -n 20 "$NODE_WORK/redis-it-0.log")"
  holds "an unmodified Redis is configured, reconfigured and stopped in order, restricted, by the component $form"
  k delete -k "$NODE_WORK/redis" --wait >/dev/null
  await "redis is gone" 60 '[ -z "$(k get pods -o name)" ]'
done

# PostgreSQL makes its database in an init hook, as its users do it in an entrypoint script.
programs=/usr/lib/postgresql/$POSTGRESQL/bin
mkdir -p "$NODE_WORK/postgres"
cat >"$NODE_WORK/postgres/postgresql.conf" <<'CONF'
listen_addresses = '*'
unix_socket_directories = '/tmp'
work_mem = {{default "4MB" cfg.work_mem}}
CONF
cat >"$NODE_WORK/postgres/init" <<INIT
#!/bin/sh
[ -e /data/base/PG_VERSION ] || exec $programs/initdb -D /data/base -U postgres -A trust --locale=C -E UTF8
INIT
printf '#!/bin/sh\nexec %s/pg_ctl reload -D /data/base\n' "$programs" >"$NODE_WORK/postgres/reconfigure"
single postgres "[$programs/postgres, -D, /data/base, -c, config_file=/kubesup/svc/postgres/config/postgresql.conf]" postgresql.conf "init, reconfigure" inject
asks() { k exec postgres-it-0 -c main -- "$programs/psql" -h /tmp -U postgres -Atc 'show work_mem'; }
await "PostgreSQL has the template's memory" 30 '[ "$(asks)" = 4MB ]'
k patch configmap postgres-config --type=merge -p '{"data": {"work_mem": "7MB"}}' >/dev/null
await "PostgreSQL is reconfigured" 10 '[ "$(asks)" = 7MB ]'
[ "$(restarts | awk '{ print $2 }')" = 0 ] || fail "PostgreSQL was restarted"
stop postgres-it-0
# INT is the fast shutdown; TERM would be the smart one, which waits for every client.
grep -q "received fast shutdown request" "$NODE_WORK/postgres-it-0.log" || fail "PostgreSQL did not get INT: $(tail -n 20 "$NODE_WORK/postgres-it-0.log")"
grep -q "database system is shut down" "$NODE_WORK/postgres-it-0.log" || fail "PostgreSQL did not end in order: $(tail -n 20 "$NODE_WORK/postgres-it-0.log")"
holds "an unmodified PostgreSQL is configured, reconfigured and stopped by its image's STOPSIGNAL, INT, restricted"
k delete -k "$NODE_WORK/postgres" --wait >/dev/null
