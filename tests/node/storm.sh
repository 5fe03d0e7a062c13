#!/usr/bin/env bash
# Storms of 10,000 orphans in containers, under kubesup and under Debian's tini in turn: no zombie stays, and kubesup has no
# more processor time for one than tini. Run by tests/node/run.sh.
set -euo pipefail
: "${KUBECTL:?}" "${KUBECONFIG:?}"
k() { "$KUBECTL" "$@"; }
fail() {
  echo "FAILED: $*" >&2
  k get pods -o wide >&2 || true
  exit 1
}
# Each subshell ends at once and leaves its child to PID 1, which has had so much time on a processor, with all its threads.
script='time() { cat /proc/1/task/*/schedstat | awk "{ sum += \$1 } END { printf \"%d\", sum / 1000 }"; }
before=$(time); i=0
while [ $i -lt 10000 ]; do (sleep 0.01 &); i=$((i + 1)); done
sleep 1; after=$(time)
echo "$(grep -l "^State:.Z" /proc/[0-9]*/status | wc -l) zombies, $((after - before)) us"'
storm() { # pod, init...: its microseconds
  local pod=$1 line phase deadline=$((SECONDS + 300))
  shift
  k run "$pod" --image=storm:node --image-pull-policy=IfNotPresent --restart=Never --command -- "$@" /bin/sh -c "$script" >/dev/null
  until phase=$(k get pod "$pod" -o 'jsonpath={.status.phase}') && [ "$phase" = Succeeded ]; do
    [ $SECONDS -lt $deadline ] && [ "$phase" != Failed ] || fail "$pod is $phase: $(k logs "$pod" --tail=15)"
    sleep 0.5
  done
  line=$(k logs "$pod" | grep -E '^[0-9]+ zombies, ')
  [ "${line%%,*}" = "0 zombies" ] || fail "$pod: $line"
  line=${line#*, }
  echo "${line% us}"
}
least() { printf '%s\n' "$@" | sort -n | head -n 1; }

ours=() theirs=()
for round in 1 2 3; do
  ours+=("$(storm "kubesup-$round" /bin/kubesup run -f /none --once --listen-http none --root /root --)")
  theirs+=("$(storm "tini-$round" /bin/tini -s --)")
done
# Of each the round that was disturbed least.
[ "$(least "${ours[@]}")" -le "$(least "${theirs[@]}")" ] || fail "10,000 orphans: kubesup ${ours[*]} us, tini ${theirs[*]} us"
echo "ok 1 - six storms of 10,000 orphans as PID 1 of a container: no zombie, kubesup ${ours[*]} us, tini ${theirs[*]} us"
