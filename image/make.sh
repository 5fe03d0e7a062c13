#!/usr/bin/env bash
# Writes the images and the list of what is in them: kubesup alone, for COPY --from and for init containers, and the demo.
#
#   image/make.sh BINARIES OUT      a directory with the static programs kubesup and examples/demo; where to
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binaries=$1 out=$2
target=$(rustc -vV | sed -n 's/^host: //p')
case $target in
  x86_64-*) architecture=amd64 ;;
  aarch64-*) architecture=arm64 ;;
  *) echo "cannot name the architecture of $target in an image" >&2; exit 1 ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
for program in kubesup examples/demo; do
  # An empty image has no loader: a dynamic program would not start, and say only "no such file".
  if LC_ALL=C ldd "$binaries/$program" 2>&1 | grep -q '=>'; then
    echo "cannot pack $binaries/$program: it is not static; build it with make build" >&2
    exit 1
  fi
done
mkdir -p "$out"
image/sbom.sh "$target" >"$out/kubesup.cdx.json.part"
mv "$out/kubesup.cdx.json.part" "$out/kubesup.cdx.json"
alone=$(image/archive.sh "$out/kubesup.tar" "docker.io/library/kubesup:$version" "$architecture" /bin/kubesup \
  bin/kubesup="$binaries/kubesup":0755)
echo "$out/kubesup.tar $alone"

# The demo's hooks are shell scripts: its image brings a shell, one static file again.
busybox=$(image/busybox.sh)
files=(bin/kubesup="$binaries/kubesup":0755 bin/demo="$binaries/examples/demo":0755 bin/sh="$busybox":0755)
for file in default.toml config hooks; do files+=("demo/$file=examples/demo/$file"); done
demo=$(image/archive.sh "$out/kubesup-demo.tar" "docker.io/library/kubesup-demo:latest" "$architecture" /bin/kubesup "${files[@]}")
echo "$out/kubesup-demo.tar $demo"
