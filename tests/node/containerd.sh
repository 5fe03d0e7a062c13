#!/usr/bin/env bash
# Builds the container runtime of the node, containerd with its shim and ctr, once, and prints the directory that holds them.
# From a module of its own, pinned to a minor version with long support; Debian 12's (1.6) is older than what Kubernetes asks
# for and mounts no image volumes, which takes 2.1. runc is the distribution's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=github.com/containerd/containerd/v2
exec "$here/../go-build.sh" containerd "$here/containerd" $module "$module/version.Version=VERSION" "skip the tests on a node" \
  containerd=$module/cmd/containerd containerd-shim-runc-v2=$module/cmd/containerd-shim-runc-v2 ctr=$module/cmd/ctr
