#!/usr/bin/env bash
# A real Kubernetes node for one command: control plane, containerd, kubelet and kube-proxy, then the command with KUBECONFIG.
#
#   tests/node/node.sh COMMAND...        as root
#
# Everything runs in mount, network and PID namespaces of its own, so that mounts, links, iptables rules and processes end
# with it, however it ends. What namespaces do not hold is put back here: cgroups, the kernel settings that a kubelet
# makes, the folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || { echo "cannot start a node: it takes root" >&2; exit 1; }
  # One at a time: tests/node/run.sh compares what a node has left behind, and another one's things would be in its way.
  if [ -z "${NODE_LOCKED:-}" ]; then
    exec 8>"${TMPDIR:-/tmp}/kubesup-node.lock"
    flock --nonblock 8 || { echo "waiting for another node on this machine to end" >&2; flock 8; }
  fi
  "$here/install.sh"
  NODE_ASSETS=$("$here/../kubernetes/build.sh" etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
  NODE_CONTAINERD=$("$here/containerd.sh")
  KUBECTL=$("$here/../kubernetes/kubectl.sh")
  NODE_WORK=$(mktemp -d "${TMPDIR:-/tmp}/kubesup-node.XXXXXX")
  NODE_CGROUP=$(basename "$NODE_WORK" | tr . -)
  export NODE_ASSETS NODE_CONTAINERD KUBECTL NODE_WORK NODE_CGROUP
  # What a kubelet sets for the whole machine.
  settings=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)
  values=()
  for setting in "${settings[@]}"; do values+=("$(cat "/proc/sys/${setting//.//}")"); done
  clean() {
    # The namespaces' first process takes all others with it.
    if [ -n "${inside:-}" ]; then kill -KILL "$inside" 2>/dev/null || true; wait "$inside" 2>/dev/null || true; fi
    for index in "${!settings[@]}"; do
      echo "${values[$index]}" >"/proc/sys/${settings[$index]//.//}" || true
    done
    # Deepest first; a cgroup whose last process is still being buried is busy for a moment.
    for attempt in $(seq 100); do
      find /sys/fs/cgroup -depth -type d -path "*/$NODE_CGROUP*" -exec rmdir {} + 2>/dev/null || true
      [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "$NODE_CGROUP*" -print -quit)" ] || break
      [ "$attempt" -lt 100 ] || { echo "cannot remove the node's cgroups: $NODE_CGROUP" >&2; exit 1; }
      sleep 0.1
    done
    if [ -n "${NODE_KEEP:-}" ]; then echo "the node's logs are in $NODE_WORK" >&2; else rm -rf "$NODE_WORK"; fi
  }
  trap clean EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  unshare --mount --net --pid --fork --kill-child --mount-proc "$here/node.sh" --inside "$@" &
  inside=$!
  status=0
  wait "$inside" || status=$?
  exit "$status"
fi
shift

# Nothing here goes through a proxy.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
work=$NODE_WORK
mkdir -p "$work"/{log,etcd,kubelet,conf,ipam,containerd,logs}
mount --make-rshared /
mount --bind "$work/log" /var/log
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/cni 2>/dev/null || true
ip link set lo up
ip link add node0 type veth peer name node1
ip address add 192.168.199.1/24 dev node0
ip link set node0 up
ip link set node1 up
ip route add default dev node0
for setting in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
  [ ! -e "/proc/sys/$setting" ] || echo 1 >"/proc/sys/$setting"
done

start() { # name, program and arguments
  local name=$1
  shift
  "$@" >"$work/logs/$name.log" 2>&1 &
}
await() { # what, seconds, command
  local what=$1 seconds=$2
  shift 2
  for _ in $(seq $((seconds * 5))); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "the node does not come up: $what: not within $seconds s" >&2
  tail -n 15 "$work"/logs/*.log >&2
  exit 1
}

echo 'node-admin,admin,admin,system:masters' >"$work/conf/tokens.csv"
start etcd "$NODE_ASSETS/etcd" --data-dir "$work/etcd" --unsafe-no-fsync --log-level=error \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
key=$work/conf/pki/apiserver.key certificate=$work/conf/pki/apiserver.crt
start kube-apiserver "$NODE_ASSETS/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 \
  --advertise-address=192.168.199.1 --cert-dir="$work/conf/pki" --authorization-mode=RBAC --token-auth-file="$work/conf/tokens.csv" \
  --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file="$key" --service-account-key-file="$key" \
  --service-cluster-ip-range=10.96.0.0/16 --kubelet-preferred-address-types=InternalIP --allow-privileged=true
export KUBECONFIG=$work/conf/kubeconfig
await "the API server's certificate" 60 test -s "$certificate"
cat >"$KUBECONFIG" <<CONFIG
apiVersion: v1
kind: Config
current-context: node
clusters: [{name: node, cluster: {server: 'https://192.168.199.1:6443', certificate-authority: '$certificate'}}]
users: [{name: node, user: {token: node-admin}}]
contexts: [{name: node, context: {cluster: node, user: node}}]
CONFIG
await "the API server" 90 "$KUBECTL" get --raw /readyz
start kube-controller-manager "$NODE_ASSETS/kube-controller-manager" --kubeconfig="$KUBECONFIG" --leader-elect=false \
  --use-service-account-credentials=false --service-account-private-key-file="$key" --root-ca-file="$certificate" --secure-port=0
start kube-scheduler "$NODE_ASSETS/kube-scheduler" --kubeconfig="$KUBECONFIG" --leader-elect=false --secure-port=0

PATH=$NODE_CONTAINERD:$PATH
cat >"$work/conf/containerd.toml" <<CONFIG
version = 3
root = "$work/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$work/opt"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "docker.io/library/pause:node"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$work/conf/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
CONFIG
mkdir -p "$work/conf/cni"
cat >"$work/conf/cni/10-node.conflist" <<CONFIG
{"cniVersion": "0.4.0", "name": "node", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$work/ipam", "ranges": [[{"subnet": "10.244.0.0/24", "rangeEnd": "10.244.0.249"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONFIG
start containerd containerd --config "$work/conf/containerd.toml"
await containerd 30 ctr --address /run/containerd/containerd.sock version

echo 'int pause(void); int main(void) { for (;;) pause(); }' >"$work/conf/pause.c"
cc -static -Os -o "$work/conf/pause" "$work/conf/pause.c"
"$here/../../image/archive.sh" "$work/conf/pause.tar" docker.io/library/pause:node "$(dpkg --print-architecture)" /pause pause="$work/conf/pause":0755 >/dev/null
for archive in "$work/conf/pause.tar" ${NODE_IMAGES:-}; do
  ctr --address /run/containerd/containerd.sock --namespace k8s.io images import "$archive" >>"$work/logs/import.log" 2>&1 || { cat "$work/logs/import.log" >&2; exit 1; }
done

cat >"$work/conf/kubelet.yaml" <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$NODE_CGROUP
cgroupsPerQOS: true
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 10Mi, nodefs.available: 0.1%, imagefs.available: 0.1%, nodefs.inodesFree: 0.1%}
resolvConf: ""
podLogsDir: $work/logs/pods
CONFIG
for controller in /sys/fs/cgroup/*/; do
  if [ -e "$controller/cgroup.procs" ]; then mkdir -p "$controller/$NODE_CGROUP"; fi
done
if [ -e "/sys/fs/cgroup/cpuset/$NODE_CGROUP" ]; then
  for file in cpuset.cpus cpuset.mems; do
    cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$NODE_CGROUP/$file"
  done
fi
start kubelet "$NODE_ASSETS/kubelet" --config="$work/conf/kubelet.yaml" --kubeconfig="$KUBECONFIG" --root-dir="$work/kubelet" \
  --hostname-override=node --node-ip=192.168.199.1 --cert-dir="$work/conf/kubelet-pki"
cat >"$work/conf/proxy.yaml" <<CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: node
clusterCIDR: 10.244.0.0/16
clientConnection: {kubeconfig: '$KUBECONFIG'}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {syncPeriod: 1s, minSyncPeriod: 0s}
CONFIG
await "the node is registered" 60 "$KUBECTL" get node node
start kube-proxy "$NODE_ASSETS/kube-proxy" --config="$work/conf/proxy.yaml"
await "the node is ready" 90 "$KUBECTL" wait --for=condition=Ready node/node --timeout=1s
await "the default ServiceAccount" 60 "$KUBECTL" get serviceaccount default
"$@"
