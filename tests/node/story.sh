#!/usr/bin/env bash
# The story of the demo on a real node, as a user lives it: three replicas without a first peer, /services from outside, an
# edit that reconfigures all of them, scaling, a rollout without a failed request, a drain. Run by tests/node/run.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
: "${KUBECTL:?}" "${KUBECONFIG:?}" "${NODE_WORK:?}"
k() { "$KUBECTL" "$@"; }
node=192.168.199.1
passed=0

fail() {
  echo "FAILED: $*" >&2
  k get pods -o wide >&2 || true
  for pod in $(k get pods -o name); do
    echo "--- $pod" >&2
    k logs "$pod" --tail=15 >&2 || true
  done
  k get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 12 >&2 || true
  exit 1
}
holds() { passed=$((passed + 1)); echo "ok $passed - $*"; }
# what, seconds, shell condition
await() {
  local deadline=$((SECONDS + $2))
  until eval "$3" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "$1: not within $2 s"
    sleep 0.1
  done
}
ready() { [ "$(k get statefulset demo -o 'jsonpath={.status.readyReplicas}/{.status.replicas}')" = "$1/$1" ]; }
restarts() { k get pods -l app.kubernetes.io/name=demo -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\n"}{end}' | sort; }
addresses() { k get pods -l app.kubernetes.io/name=demo -o 'jsonpath={range .items[*]}{.status.podIP}{"\n"}{end}'; }
get() { curl -sS --fail --max-time 5 "$1"; }
members() { get "http://$1:9631/census" | grep -o '"alive":true' | wc -l; }
each() { # a condition with $address
  local address
  for address in $(addresses); do eval "$1" || return 1; done
}

k apply -f "$root/examples/demo/rbac.yaml" -f "$root/examples/demo/config-map.yaml" -f "$root/examples/demo/services.yaml" >/dev/null
for order in OrderedReady Parallel; do
  k delete statefulset demo --ignore-not-found --wait >/dev/null
  await "the former Pods are gone" 60 '[ -z "$(k get pods -l app.kubernetes.io/name=demo -o name)" ]'
  sed "s/podManagementPolicy: .*/podManagementPolicy: $order/" "$root/examples/demo/stateful-set.yaml" | k apply -f - >/dev/null
  await "three replicas are ready ($order)" 90 'ready 3'
  await "each replica sees all three ($order)" 20 'each "[ \$(members \$address) -ge 3 ]"'
  holds "three replicas become ready with no peer flag, started $order"
done
[ "$(restarts | awk '{ print $2 }' | sort -u)" = 0 ] || fail "a container was restarted: $(restarts)"
holds "no container was restarted on the way"

await "/services by the NodePort" 20 'get http://$node:30631/services >"$NODE_WORK/nodeport.json"'
grep -q '"service_group":"demo.default"' "$NODE_WORK/nodeport.json" || fail "/services by the NodePort: $(cat "$NODE_WORK/nodeport.json")"
holds "curl on the NodePort shows /services"
k port-forward pod/demo-0 19631:9631 >"$NODE_WORK/forward.log" 2>&1 &
forward=$!
await "/services by port-forward" 20 'get http://127.0.0.1:19631/services >"$NODE_WORK/forward.json"'
kill $forward
wait $forward 2>/dev/null || true
grep -q '"service_group":"demo.default"' "$NODE_WORK/forward.json" || fail "/services by port-forward"
holds "kubectl port-forward and curl show /services"
if [ -n "${NODE_PROOF:-}" ]; then
  {
    echo '# /services on a real node'
    echo
    echo "What \`make test-node\` saw: Kubernetes $(k version -o json | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p' | tail -1), the StatefulSet of examples/demo."
    printf '\n```console\n$ kubectl get pods\n%s\n' "$(k get pods)"
    printf '$ curl http://NODE:30631/services\n%s\n' "$(cat "$NODE_WORK/nodeport.json")"
    printf '$ kubectl port-forward pod/demo-0 9631 & curl http://localhost:9631/services\n%s\n```\n' "$(cat "$NODE_WORK/forward.json")"
  } >"$NODE_PROOF"
fi

# kubectl edit, with a program in the place of the editor. Each replica is watched at its own address.
before=$(restarts)
printf '#!/bin/sh\nsed -i "s/Hello from a ConfigMap/Edited on the node/" "$1"\ndate +%%s%%N >"%s/edited"\n' "$NODE_WORK" >"$NODE_WORK/editor"
chmod +x "$NODE_WORK/editor"
KUBE_EDITOR=$NODE_WORK/editor k edit configmap demo-config >/dev/null
await "all replicas serve the edit" 5 'each "get http://\$address:8080/ | grep -q \"Edited on the node\""'
took=$((($(date +%s%N) - $(cat "$NODE_WORK/edited")) / 1000000))
[ $took -lt 1000 ] || fail "the edit took $took ms to reach all replicas"
[ "$(restarts)" = "$before" ] || fail "the edit restarted something: $(restarts)"
holds "kubectl edit configmap reconfigures all three in $took ms, with no restart"

for count in 5 1 3; do
  k scale statefulset demo --replicas=$count >/dev/null
  await "$count replicas are ready" 120 "ready $count"
  await "each of $count sees all" 20 "each '[ \$(members \$address) -eq $((count)) ]'"
  holds "scaled to $count"
done

# A rollout, while one client after another asks through the Service that selects the ready ones.
k create service clusterip demo-web --tcp=80:8080 --dry-run=client -o yaml | sed 's/app: demo-web/app.kubernetes.io\/name: demo/' | k apply -f - >/dev/null
web=$(k get service demo-web -o 'jsonpath={.spec.clusterIP}')
await "the Service answers" 20 'get http://$web/'
touch "$NODE_WORK/asking"
(
  good=0 bad=0
  while [ -e "$NODE_WORK/asking" ]; do
    if get "http://$web/" >/dev/null 2>"$NODE_WORK/last"; then good=$((good + 1)); else
      bad=$((bad + 1))
      echo "$(date -u +%T.%3N) $(cat "$NODE_WORK/last") $(k get endpointslices -l kubernetes.io/service-name=demo-web -o "jsonpath={.items[*].endpoints[*]}")" >>"$NODE_WORK/failed"
    fi
  done
  echo "$good $bad" >"$NODE_WORK/asked"
) &
asking=$!
k set image statefulset/demo demo=docker.io/library/kubesup-demo:next >/dev/null
k rollout status statefulset/demo --timeout=240s >/dev/null || fail "the rollout does not end"
rm "$NODE_WORK/asking"
wait $asking
read -r good bad <"$NODE_WORK/asked"
[ "$good" -gt 100 ] || fail "only $good requests were made during the rollout"
[ "$bad" = 0 ] || fail "$bad of $((good + bad)) requests failed during the rollout: $(cat "$NODE_WORK/failed")"
holds "a rolling update of the image failed none of $good requests"

k logs demo-0 -f >"$NODE_WORK/demo-0.log" 2>&1 &
k delete pod demo-0 --wait >/dev/null
await "the drain is in the log" 10 'grep -qi drain "$NODE_WORK/demo-0.log"'
grep -q "the demo has stopped" "$NODE_WORK/demo-0.log" || fail "post-stop did not run: $(cat "$NODE_WORK/demo-0.log")"
await "demo-0 is back" 60 'ready 3'
holds "kubectl delete pod drains and stops in order"

peak=0
for file in $(find /sys/fs/cgroup/memory/"$NODE_CGROUP" /sys/fs/cgroup/"$NODE_CGROUP" -path '*pod*' \( -name memory.max_usage_in_bytes -o -name memory.peak \) 2>/dev/null); do
  [ "$(cat "$file")" -le $peak ] || peak=$(cat "$file")
done
[ $peak -gt 0 ] || fail "no Pod's memory is found"
[ $peak -lt $((100 * 1024 * 1024)) ] || fail "a Pod's memory was $peak bytes"
[ "$(restarts | awk '{ print $2 }' | sort -u)" = 0 ] || fail "a container was restarted: $(restarts)"
holds "no Pod's memory passed $((peak / 1024 / 1024)) MiB, under its limit of 100 MiB"
