#!/usr/bin/env bash
# Builds Kubernetes programs for the tests, each once, into a cache outside the checkout, and prints
# the directory that holds them. Never starts anything.
#
#   tests/kubernetes/build.sh [PROGRAM...]     default: etcd kube-apiserver
#
# KUBESUP_TEST_KUBERNETES, when set, is an older minor version, 1.34: the module in the folder of that name is built instead.
# KUBEBUILDER_ASSETS, when set, is used as it is (it must hold the programs).
# KUBESUP_CACHE moves the cache (default: $XDG_CACHE_HOME/kubesup, else ~/.cache/kubesup).
set -euo pipefail

programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(etcd kube-apiserver)

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  for program in "${programs[@]}"; do
    [ -x "$KUBEBUILDER_ASSETS/$program" ] || {
      echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no program $program; unset it to build from source" >&2
      exit 1
    }
  done
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=$here/${KUBESUP_TEST_KUBERNETES:-}
[ -e "$module/go.mod" ] || { echo "cannot build Kubernetes $KUBESUP_TEST_KUBERNETES for the tests: there is no $module/go.mod" >&2; exit 1; }
version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 } $1 == "k8s.io/kubernetes" { print $2 }' "$module/go.mod" | head -1)
# The key names every input of the build: a new go.sum is a new directory, and where the checkout is does not matter.
key=$version-$(cat "$module/go.sum" "$here/build.sh" | sha256sum | cut -c1-12)
cache=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/kubernetes/$key
mkdir -p "$cache"

missing=()
for program in "${programs[@]}"; do
  [ -x "$cache/$program" ] || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  need=$(awk '$1 == "go" { print $2; exit }' "$module/go.mod")
  if ! command -v go >/dev/null; then
    cat >&2 <<MESSAGE
cannot build ${missing[*]} for the tests: the program 'go' is not in PATH.
Install Go $need or newer (golang's own packages or your distribution's 'golang-go', if it is that new),
or set KUBEBUILDER_ASSETS to a directory that holds: ${programs[*]}
MESSAGE
    exit 1
  fi
  have=$(go env GOVERSION | sed 's/^go//')
  if [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -1)" != "$need" ]; then
    echo "cannot build ${missing[*]} for the tests: Go $have is older than the $need that $module/go.mod needs; install a newer Go or set KUBEBUILDER_ASSETS" >&2
    exit 1
  fi
  # Two test runs at once build once.
  exec 9>"$cache/.lock"
  flock 9
  component=k8s.io/component-base/version
  for program in "${missing[@]}"; do
    [ -x "$cache/$program" ] && continue
    case $program in
      etcd) package=go.etcd.io/etcd/server/v3 ;;
      *) package=k8s.io/kubernetes/cmd/$program ;;
    esac
    echo "building $program (Kubernetes $version) into the cache; once, some minutes" >&2
    (cd "$module" && CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath -buildvcs=false' go build \
      -ldflags "-s -w -X $component.gitVersion=$version -X $component.gitMajor=1 -X $component.gitMinor=$(cut -d. -f2 <<<"$version")" \
      -o "$cache/$program.part" "$package") >&2
    mv "$cache/$program.part" "$cache/$program"
  done
fi
echo "$cache"
