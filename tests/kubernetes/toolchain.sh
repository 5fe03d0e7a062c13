#!/usr/bin/env bash
# Says what is missing for building and testing, all at once, and exactly what to install. Installs nothing.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
missing=()

need() { # program, what to do
  command -v "$1" >/dev/null || missing+=("$1: $2")
}
need cargo "install Rust by rustup, or your distribution's rustc and cargo, if they are new enough (rust-version in Cargo.toml)"
need cc "install a C compiler (Debian: apt-get install gcc libc6-dev)"
if [ -z "${KUBEBUILDER_ASSETS:-}" ]; then
  go=$(awk '$1 == "go" { print $2; exit }' "$here/go.mod")
  need go "install Go $go or newer; it builds the Kubernetes control plane that the tests run against. Or set KUBEBUILDER_ASSETS to a directory with etcd and kube-apiserver"
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "cannot build and test; missing:" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi
