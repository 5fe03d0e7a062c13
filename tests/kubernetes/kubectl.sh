#!/usr/bin/env bash
# Builds kubectl for the tests, once, and prints its path. From a module of its own: what it needs more than the control plane
# must not rebuild that.
#
# KUBECTL, when set, is used as it is.
set -euo pipefail

if [ -n "${KUBECTL:-}" ]; then
  command -v "$KUBECTL" || { echo "KUBECTL=$KUBECTL is no program; unset it to build from source" >&2; exit 1; }
  exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
component=k8s.io/component-base/version
cache=$("$here/../go-build.sh" kubectl "$here/kubectl" k8s.io/kubernetes \
  "$component.gitVersion=VERSION $component.gitMajor=1 $component.gitMinor=MINOR" "set KUBECTL to a kubectl" kubectl=k8s.io/kubernetes/cmd/kubectl)
echo "$cache/kubectl"
