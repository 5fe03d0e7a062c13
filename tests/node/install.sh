#!/usr/bin/env bash
# Installs what a node for the tests needs and this machine has not: Debian's packages, by apt-get.
set -euo pipefail
packages=()
for pair in runc:runc iptables:iptables conntrack:conntrack ip:iproute2 curl:curl tini-static:tini; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
done
[ -x /usr/lib/cni/bridge ] || packages+=(containernetworking-plugins)
[ ${#packages[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "cannot start a node: missing: ${packages[*]}, and there is no apt-get" >&2; exit 1; }
echo "installing for the node: ${packages[*]}" >&2
# Nothing that is installed is to be started as a service.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update -qq >&2
apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
