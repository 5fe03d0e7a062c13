#!/usr/bin/env bash
# Builds Kubernetes programs for the tests, each once, and prints the directory that holds them.
#
#   tests/kubernetes/build.sh [PROGRAM...]     default: etcd kube-apiserver
#
# KUBESUP_TEST_KUBERNETES, when set, is an older minor version, 1.34: the module in the folder of that name is built instead.
# KUBEBUILDER_ASSETS, when set, is used as it is (it must hold the programs).
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
pairs=()
for program in "${programs[@]}"; do
  case $program in
    etcd) pairs+=(etcd=go.etcd.io/etcd/server/v3) ;;
    *) pairs+=("$program=k8s.io/kubernetes/cmd/$program") ;;
  esac
done
component=k8s.io/component-base/version
exec "$here/../go-build.sh" kubernetes "$module" k8s.io/kubernetes "$component.gitVersion=VERSION $component.gitMajor=1 $component.gitMinor=MINOR" \
  "set KUBEBUILDER_ASSETS to a directory that holds: ${programs[*]}" "${pairs[@]}"
