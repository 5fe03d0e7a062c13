#!/usr/bin/env bash
# Says whether this machine can run a node: ends with 0, or prints the first thing that it lacks.
set -uo pipefail
lacks() { echo "$*"; exit 1; }
[ "$(id -u)" = 0 ] || lacks "it takes root"
command -v apt-get >/dev/null || command -v runc >/dev/null || lacks "there is no runc and no apt-get"
unshare --mount --net --pid --fork --kill-child --mount-proc true 2>/dev/null || lacks "mount, network and PID namespaces are not permitted"
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
unshare --mount bash -c 'mount -t tmpfs none "$0" && cd "$0" && mkdir l u w m && mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w m' "$probe" 2>/dev/null ||
  lacks "overlayfs is not available"
unshare --net bash -c 'ip link add probe0 type veth peer name probe1 && ip link add probe2 type bridge' 2>/dev/null || lacks "links of type veth and bridge are not available"
if command -v iptables >/dev/null; then
  unshare --net iptables -t nat -A POSTROUTING -m comment --comment probe -j MASQUERADE 2>/dev/null || lacks "iptables cannot translate addresses"
fi
for controllers in /sys/fs/cgroup/memory /sys/fs/cgroup; do
  if [ -e "$controllers/cgroup.procs" ]; then
    name=$controllers/kubesup-node-probe-$$
    mkdir "$name" 2>/dev/null && rmdir "$name" && exit 0
  fi
done
lacks "no cgroup can be made"
