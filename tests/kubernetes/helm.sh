#!/usr/bin/env bash
# Builds helm for the tests, once, into the cache of build.sh, and prints its path. From a module of its own, as kubectl is.
#
# HELM, when set, is used as it is.
set -euo pipefail

if [ -n "${HELM:-}" ]; then
  command -v "$HELM" || { echo "HELM=$HELM is no program; unset it to build from source" >&2; exit 1; }
  exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=$here/helm
version=$(awk '$1 == "helm.sh/helm/v3" && $2 != "=>" { print $2 }' "$module/go.mod" | head -1)
[ -n "$version" ] || version=$(awk '$1 == "require" && $2 == "helm.sh/helm/v3" { print $3 }' "$module/go.mod")
key=helm-$version-$(sha256sum "$module/go.sum" "$here/helm.sh" | cut -d' ' -f1 | sha256sum | cut -c1-12)
cache=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/kubernetes/$key
mkdir -p "$cache"
if [ ! -x "$cache/helm" ]; then
  need=$(awk '$1 == "go" { print $2; exit }' "$module/go.mod")
  command -v go >/dev/null || {
    echo "cannot build helm for the tests: the program 'go' is not in PATH; install Go $need or newer, or set HELM to a helm" >&2
    exit 1
  }
  exec 9>"$cache/.lock"
  flock 9
  if [ ! -x "$cache/helm" ]; then
    echo "building helm ($version) into the cache; once, a minute or two" >&2
    (cd "$module" && CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath -buildvcs=false' go build -ldflags "-s -w" -o "$cache/helm.part" helm.sh/helm/v3/cmd/helm) >&2
    mv "$cache/helm.part" "$cache/helm"
  fi
fi
echo "$cache/helm"
