#!/usr/bin/env bash
# Rolling updates of the demo's image, one after the other, while clients ask through a Service without a pause: no request
# may fail. The demo runs already with three replicas.
#
#   tests/node/rollout.sh [TIMES]        run by tests/node/story.sh; alone: make test-node-rollout
#
# Nobody connects to the Service before its rules are there. Such a SYN leaves the node untranslated and stays in conntrack for two
# minutes; a later connection that happens to have the same source port takes that entry, goes the same way, and ends with "no
# route to host" after 3 s, whatever the rules say by then. The clients are in a network namespace on the bridge, as a Pod's are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
: "${KUBECTL:?}" "${KUBECONFIG:?}" "${NODE_WORK:?}"
times=${1:-1}
k() { "$KUBECTL" "$@"; }
asked=$NODE_WORK/asked
rm -rf "$asked"
mkdir -p "$asked"
fail() {
  rm -f "$asked/asking"
  echo "FAILED: $*" >&2
  exit 1
}
await() { # what, seconds, shell condition
  local deadline=$((SECONDS + $2))
  until eval "$3" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "$1: not within $2 s"
    sleep 0.1
  done
}
if [ -n "${ROLLOUT_ALONE:-}" ]; then
  for file in rbac config-map services stateful-set; do k apply -f "$root/examples/demo/$file.yaml" >/dev/null; done
fi
await "three replicas are ready" 90 '[ "$(k get statefulset demo -o "jsonpath={.status.readyReplicas}/{.status.replicas}")" = 3/3 ]'
k create service clusterip demo-web --tcp=80:8080 --dry-run=client -o yaml | sed 's/app: demo-web/app.kubernetes.io\/name: demo/' | k apply -f - >/dev/null
web=$(k get service demo-web -o 'jsonpath={.spec.clusterIP}')

if [ ! -e /run/netns/client ]; then
  mkdir -p /run/netns
  ip netns add client
  ip link add client0 type veth peer name client1
  ip link set client0 master cni0 up
  ip link set client1 netns client
  ip -n client address add 10.244.0.254/24 dev client1
  ip -n client link set client1 up
  ip -n client route add default via 10.244.0.1
fi
get() { ip netns exec client curl -sS --fail --max-time 5 -o /dev/null "http://$web/"; }
programmed() { # for its three endpoints
  [ "$(iptables-save -t nat | grep -c -- '--comment "default/demo-web:80-8080" .*-j DNAT')" = 3 ] && iptables-save -t nat | grep -q -- "-A KUBE-SERVICES -d $web/32 .*-j KUBE-SVC"
}
await "the Service has its rules" 20 programmed
await "the Service answers" 20 get

touch "$asked/asking"
client() {
  local good=0 bad=0 began
  while [ -e "$asked/asking" ]; do
    began=$(date -u +%T.%3N)
    if get 2>"$asked/last.$1"; then good=$((good + 1)); else
      bad=$((bad + 1))
      {
        echo "$began to $(date -u +%T.%3N): $(cat "$asked/last.$1")"
        k get endpointslices -l kubernetes.io/service-name=demo-web -o 'jsonpath={range .items[*].endpoints[*]}{.targetRef.name} {.addresses[0]} {.conditions}{"\n"}{end}'
        iptables-save -t nat | grep demo-web
        conntrack -L -p tcp --orig-dst "$web" 2>/dev/null | grep -v ASSURED
        ip neighbour
      } >>"$asked/failed" 2>&1
    fi
  done
  echo "$good $bad" >"$asked/count.$1"
}
clients=()
for number in 1 2 3; do
  client $number &
  clients+=($!)
done
for round in $(seq "$times"); do
  to=$([ "$(k get statefulset demo -o 'jsonpath={.spec.template.spec.containers[0].image}')" = docker.io/library/kubesup-demo:next ] && echo latest || echo next)
  began=$SECONDS
  k set image statefulset/demo "demo=docker.io/library/kubesup-demo:$to" >/dev/null
  k rollout status statefulset/demo --timeout=240s >/dev/null || fail "rollout $round does not end"
  [ ! -e "$asked/failed" ] || fail "a request failed during rollout $round: $(cat "$asked/failed")"
  [ "$times" = 1 ] || echo "rollout $round of $times took $((SECONDS - began)) s"
done
rm "$asked/asking"
wait "${clients[@]}"
[ ! -e "$asked/failed" ] || fail "a request failed: $(cat "$asked/failed")"
good=$(cat "$asked"/count.* | awk '{ sum += $1 } END { print sum }')
[ "$good" -gt $((300 * times)) ] || fail "only $good requests were made during the rollouts"
echo "$good"
