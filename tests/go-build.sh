#!/usr/bin/env bash
# Builds programs of a Go module for the tests, each once, into a cache outside the checkout, and prints the directory that
# holds them. Never starts anything.
#
#   tests/go-build.sh NAME FOLDER MODULE VARIABLES INSTEAD PROGRAM=PACKAGE...
#
# NAME is the cache's and the messages' name for what is built; FOLDER has the go.mod and go.sum that pin MODULE, whose version
# it is. VARIABLES are what the linker sets, as `package.name=value`, with VERSION and MINOR replaced. INSTEAD says what to do
# without Go.
#
# KUBESUP_CACHE moves the cache (default: $XDG_CACHE_HOME/kubesup, else ~/.cache/kubesup).
set -euo pipefail

name=$1 folder=$2 module=$3 variables=$4 instead=$5
shift 5
version=$(awk -v module="$module" '$2 == "=>" { next } $1 == module { print $2; exit } $1 == "require" && $2 == module { print $3; exit }' "$folder/go.mod")
[ -n "$version" ] || { echo "cannot build $name for the tests: $folder/go.mod requires no $module" >&2; exit 1; }
# The key names every input of the build: a new go.sum is a new directory, and where the checkout is does not matter.
key=$name-$version-$({ cat "$folder/go.sum" "${BASH_SOURCE[0]}"; echo "$variables"; } | sha256sum | cut -c1-12)
cache=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/go/$key
mkdir -p "$cache"

missing=()
for pair in "$@"; do
  [ -x "$cache/${pair%%=*}" ] || missing+=("$pair")
done
if [ ${#missing[@]} -gt 0 ]; then
  need=$(awk '$1 == "go" { print $2; exit }' "$folder/go.mod")
  names=$(printf '%s ' "${missing[@]%%=*}")
  if ! command -v go >/dev/null; then
    echo "cannot build ${names% } for the tests: the program 'go' is not in PATH; install Go $need or newer, or $instead" >&2
    exit 1
  fi
  have=$(go env GOVERSION | sed 's/^go//')
  if [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -1)" != "$need" ]; then
    echo "cannot build ${names% } for the tests: Go $have is older than the $need that $folder/go.mod needs; install a newer Go, or $instead" >&2
    exit 1
  fi
  flags="-s -w"
  for variable in $variables; do
    variable=${variable//VERSION/$version}
    flags+=" -X ${variable//MINOR/$(cut -d. -f2 <<<"$version")}"
  done
  # Two test runs at once build once.
  exec 9>"$cache/.lock"
  flock 9
  for pair in "${missing[@]}"; do
    program=${pair%%=*}
    [ -x "$cache/$program" ] && continue
    echo "building $program ($name $version) into the cache; once, some minutes" >&2
    (cd "$folder" && CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath -buildvcs=false' go build -ldflags "$flags" -o "$cache/$program.part" "${pair#*=}") >&2
    mv "$cache/$program.part" "$cache/$program"
  done
fi
echo "$cache"
