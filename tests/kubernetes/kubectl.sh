#!/usr/bin/env bash
# Builds kubectl for the tests, once, into the cache of build.sh, and prints its path. From a module of its own: what it needs
# more than the control plane must not rebuild that.
#
# KUBECTL, when set, is used as it is.
set -euo pipefail

if [ -n "${KUBECTL:-}" ]; then
  command -v "$KUBECTL" || { echo "KUBECTL=$KUBECTL is no program; unset it to build from source" >&2; exit 1; }
  exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=$here/kubectl
version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 } $1 == "k8s.io/kubernetes" && $2 != "=>" { print $2 }' "$module/go.mod" | head -1)
key=kubectl-$version-$(sha256sum "$module/go.sum" "$here/kubectl.sh" | sha256sum | cut -c1-12)
cache=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/kubernetes/$key
mkdir -p "$cache"
if [ ! -x "$cache/kubectl" ]; then
  need=$(awk '$1 == "go" { print $2; exit }' "$module/go.mod")
  command -v go >/dev/null || {
    echo "cannot build kubectl for the tests: the program 'go' is not in PATH; install Go $need or newer, or set KUBECTL to a kubectl" >&2
    exit 1
  }
  exec 9>"$cache/.lock"
  flock 9
  if [ ! -x "$cache/kubectl" ]; then
    echo "building kubectl ($version) into the cache; once, a minute or two" >&2
    component=k8s.io/component-base/version
    (cd "$module" && CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath -buildvcs=false' go build \
      -ldflags "-s -w -X $component.gitVersion=$version -X $component.gitMajor=1 -X $component.gitMinor=$(cut -d. -f2 <<<"$version")" \
      -o "$cache/kubectl.part" k8s.io/kubernetes/cmd/kubectl) >&2
    mv "$cache/kubectl.part" "$cache/kubectl"
  fi
fi
echo "$cache/kubectl"
