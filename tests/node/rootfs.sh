#!/usr/bin/env bash
# Makes the archive of an image from Debian's packages, as a distribution's image would be: nothing of kubesup in it. Cached
# outside the checkout by the list of packages. Prints its path.
#
#   tests/node/rootfs.sh NAME STOP_SIGNAL ENTRYPOINT PACKAGE...
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$1 stop=$2 entrypoint=$3
shift 3
base=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/rootfs
key=$name-$({ echo "$stop $entrypoint $*"; cat "$here/rootfs.sh" "$here/../../image/archive.sh"; } | sha256sum | cut -c1-12)
archive=$base/$key.tar
if [ ! -e "$archive" ]; then
  mkdir -p "$base"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{debs/partial,root/etc,root/tmp}
  # As on a machine that has nothing installed: all that the packages depend on comes along.
  apt-get install -y -qq --no-install-recommends --download-only -o Dir::State::status=/dev/null -o Dir::Cache::archives="$work/debs" \
    -o APT::Sandbox::User=root "$@" dash coreutils >&2
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/root"; done
  ln -sf dash "$work/root/bin/sh"
  printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$work/root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$work/root/etc/group"
  rm -rf "$work"/root/usr/share/{doc,man,locale,info,lintian}
  parts=()
  for part in "$work"/root/*; do parts+=("$(basename "$part")=$part"); done
  "$here/../../image/archive.sh" "$archive" "docker.io/library/$name:node" "$(dpkg --print-architecture)" "$entrypoint" --stop-signal "$stop" "${parts[@]}" >&2
fi
echo "$archive"
