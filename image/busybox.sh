#!/usr/bin/env bash
# Prints the path of a static busybox: the one in PATH, else Debian's, unpacked once into the cache outside the checkout.
set -euo pipefail
if command -v busybox >/dev/null && ! LC_ALL=C ldd "$(command -v busybox)" 2>&1 | grep -q '=>'; then
  command -v busybox
  exit 0
fi
cache=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/busybox
if [ ! -x "$cache/busybox" ]; then
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
    echo "the demo's image needs a static busybox for its hooks: install one (Debian: busybox-static)" >&2
    exit 1
  }
  mkdir -p "$cache"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq busybox-static >&2 && dpkg-deb -x busybox-static_*.deb root)
  install -m 755 "$work/root/bin/busybox" "$cache/busybox.part"
  mv "$cache/busybox.part" "$cache/busybox"
fi
echo "$cache/busybox"
