#!/usr/bin/env bash
# All tests on a node, and the proof that the machine is afterwards what it was.
#
#   tests/node/run.sh BINARIES [COMMAND...]     a directory with the static programs kubesup and examples/demo; as root
#
# With a command it is only that, on a node that has the images.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
binaries=$(realpath "$1")
[ "$(id -u)" = 0 ] || { echo "cannot test on a node: it takes root" >&2; exit 1; }
exec 8>"${TMPDIR:-/tmp}/kubesup-node.lock"
flock --nonblock 8 || { echo "waiting for another node on this machine to end" >&2; flock 8; }
export NODE_LOCKED=yes
"$here/install.sh"
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT

# Mounts, links, rules, cgroups, kernel settings, and the processes that a node is made of.
state() {
  echo "# mounts"
  cut -d' ' -f4- /proc/self/mountinfo | sort
  echo "# links and routes"
  ip -o link | sed 's/^[0-9]*: //' | awk '{ print $1 }' | sort
  ip route | sort
  ip netns list
  echo "# rules"
  { iptables-save; ip6tables-save; } 2>/dev/null | sed '/^#/d; s/\[[0-9]*:[0-9]*\]//' | sort
  echo "# cgroups"
  find /sys/fs/cgroup -type d | grep -i kubesup-node || true
  echo "# settings"
  for file in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes net/ipv4/ip_forward; do
    echo "$file $(cat "/proc/sys/$file")"
  done
  echo "# processes"
  for process in /proc/[0-9]*; do
    { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | grep -E '^[^ ]*(containerd|containerd-shim-runc-v2|kubelet|kube-proxy) ' || true
  done | sort
  echo "# folders"
  find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'kubesup-node.*' | sort
  for folder in /var/lib/kubelet /var/lib/containerd /var/lib/cni /opt/containerd /run/containerd /var/log/pods /var/log/containers; do
    if [ -e "$folder" ]; then find "$folder" -maxdepth 1 | sort; fi
  done
}
left() { # what has been done
  state >"$images/after"
  diff "$images/before" "$images/after" || { echo "FAILED: after $1 the machine is not what it was" >&2; exit 1; }
  echo "ok - after $1 the machine is what it was"
}

began=$SECONDS
"$root/image/make.sh" "$binaries" "$images"
# The image that the rollout goes to: the same with one more variable.
busybox=$("$root/image/busybox.sh")
"$root/image/archive.sh" "$images/next.tar" docker.io/library/kubesup-demo:next "$(dpkg --print-architecture)" /bin/kubesup --env DEMO=next \
  bin/kubesup="$binaries/kubesup":0755 bin/demo="$binaries/examples/demo":0755 bin/sh="$busybox":0755 \
  demo/default.toml="$root/examples/demo/default.toml" demo/config="$root/examples/demo/config" demo/hooks="$root/examples/demo/hooks"
export NODE_IMAGES="$images/kubesup.tar $images/kubesup-demo.tar $images/next.tar"
state >"$images/before"
if [ $# -gt 1 ]; then
  shift
  "$here/node.sh" "$@"
  left "$1"
  exit 0
fi

echo "# the demo"
"$here/node.sh" "$here/story.sh"
left "the tests"

echo "# the demo, restricted"
STORY_RESTRICTED=yes "$here/node.sh" "$here/story.sh"
left "the tests, restricted"

echo "# unmodified images, restricted"
KUBESUP_VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -1)
export KUBESUP_VERSION
nginx=$("$here/rootfs.sh" nginx SIGQUIT /usr/sbin/nginx nginx)
redis=$("$here/rootfs.sh" redis SIGTERM /usr/bin/redis-server redis-server)
# Which one the distribution has.
POSTGRESQL=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -1)
export POSTGRESQL
postgres=$("$here/rootfs.sh" postgres SIGINT "/usr/lib/postgresql/$POSTGRESQL/bin/postgres" "postgresql-$POSTGRESQL")
NODE_IMAGES="$images/kubesup.tar $nginx $redis $postgres" "$here/node.sh" "$here/unmodified.sh"
left "the unmodified images"

echo "# orphans"
mkdir "$images/bin" "$images/none"
for applet in awk cat grep sleep wc; do ln -s sh "$images/bin/$applet"; done
"$root/image/archive.sh" "$images/storm.tar" docker.io/library/storm:node "$(dpkg --print-architecture)" /bin/kubesup --user 0 \
  bin="$images/bin" none="$images/none" bin/kubesup="$binaries/kubesup":0755 bin/sh="$busybox":0755 bin/tini="$(command -v tini-static)":0755
NODE_IMAGES=$images/storm.tar "$here/node.sh" "$here/storm.sh"
left "the storms"

status=0
"$here/node.sh" bash -c 'exit 7' || status=$?
[ $status = 7 ] || { echo "FAILED: a failing command ended with $status instead of 7" >&2; exit 1; }
left "a failure"

# Interrupted while a Pod runs: by TERM, as a CI does it, and by INT to the whole group, as ctrl-C does. A shell's background job
# ignores INT until that is undone.
for signal in TERM INT; do
  rm -f "$images/runs"
  setsid env --default-signal=INT "$here/node.sh" bash -c '"$KUBECTL" run demo --image=kubesup-demo --image-pull-policy=IfNotPresent -- run -f /demo --package /demo &&
    "$KUBECTL" wait --for=condition=Ready pod/demo --timeout=60s && touch "$0" && sleep 1000' "$images/runs" >"$images/interrupted.log" 2>&1 &
  interrupted=$!
  deadline=$((SECONDS + 120))
  until [ -e "$images/runs" ]; do
    [ $SECONDS -lt $deadline ] && kill -0 $interrupted || { cat "$images/interrupted.log" >&2; echo "FAILED: no Pod to interrupt" >&2; exit 1; }
    sleep 0.2
  done
  if [ $signal = INT ]; then kill -INT -- -$interrupted; else kill -TERM $interrupted; fi
  status=0
  wait $interrupted || status=$?
  [ $status = $((128 + $(kill -l $signal))) ] || { cat "$images/interrupted.log" >&2; echo "FAILED: a node that got $signal ended with $status" >&2; exit 1; }
  left "$signal with a Pod running"
done
echo "the tests on a node took $((SECONDS - began)) s"
