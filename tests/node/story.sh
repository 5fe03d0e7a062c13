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

# The StatefulSet as it is, or under the component restricted in a namespace that admits nothing else. The component names its
# container main.
workload() {
  if [ -z "${STORY_RESTRICTED:-}" ]; then cat "$root/examples/demo/stateful-set.yaml"; return; fi
  local inner=$NODE_WORK/inner outer=$NODE_WORK/outer
  mkdir -p "$inner" "$outer"
  cp "$root/examples/demo/stateful-set.yaml" "$inner"
  cat >"$inner/kustomization.yaml" <<'INNER'
resources: [stateful-set.yaml]
patches:
  - target: {kind: StatefulSet}
    patch: |-
      - {op: replace, path: /spec/template/spec/containers/0/name, value: main}
INNER
  cat >"$outer/kustomization.yaml" <<OUTER
resources: [../inner]
components: [$(realpath --relative-to="$(realpath "$outer")" "$(realpath "$root")/manifests/restricted")]
patches:
  - target: {kind: StatefulSet}
    patch: |-
      - {op: replace, path: /spec/template/spec/containers/0/name, value: demo}
OUTER
  k kustomize "$outer"
}
if [ -n "${STORY_RESTRICTED:-}" ]; then k label namespace default pod-security.kubernetes.io/enforce=restricted >/dev/null; fi

k apply -f "$root/examples/demo/rbac.yaml" -f "$root/examples/demo/config-map.yaml" -f "$root/examples/demo/services.yaml" >/dev/null
for order in OrderedReady Parallel; do
  k delete statefulset demo --ignore-not-found --wait >/dev/null
  await "the former Pods are gone" 60 '[ -z "$(k get pods -l app.kubernetes.io/name=demo -o name)" ]'
  workload | sed "s/podManagementPolicy: .*/podManagementPolicy: $order/" | k apply -f - >/dev/null
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

good=$("$here/rollout.sh") || fail "the rolling update"
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
