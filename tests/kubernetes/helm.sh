#!/usr/bin/env bash
# Builds helm for the tests, once, and prints its path. From a module of its own, as kubectl is.
#
# HELM, when set, is used as it is.
set -euo pipefail

if [ -n "${HELM:-}" ]; then
  command -v "$HELM" || { echo "HELM=$HELM is no program; unset it to build from source" >&2; exit 1; }
  exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$("$here/../go-build.sh" helm "$here/helm" helm.sh/helm/v3 "" "set HELM to a helm" helm=helm.sh/helm/v3/cmd/helm)
echo "$cache/helm"
