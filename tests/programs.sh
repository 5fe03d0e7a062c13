#!/usr/bin/env bash
# Brings the real programs that tests run, of the examples and to compare with, each once, into a cache outside the checkout, and
# prints the directory that has them. What is installed is used as it is; the rest is unpacked from Debian's packages: nothing is
# installed, and no service is started.
#
#   tests/programs.sh [PROGRAM...]     default: redis-server redis-cli redis-check-rdb nginx ip tini
#
# KUBESUP_CACHE moves the cache (default: $XDG_CACHE_HOME/kubesup, else ~/.cache/kubesup).
set -euo pipefail

programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(redis-server redis-cli redis-check-rdb nginx ip tini)
# Programs of administrators are not in everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

package_of() { # program
  case $1 in
    redis-server) echo redis-server ;;
    redis-cli | redis-check-rdb) echo redis-tools ;;
    nginx | tini | dumb-init) echo "$1" ;;
    ip) echo iproute2 ;;
    *) echo "tests/programs.sh knows no package with $1" >&2; exit 1 ;;
  esac
}

release=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown}-${VERSION_ID:-unknown}" || echo unknown)
key=$release-$(uname -m)-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
cache=${KUBESUP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set KUBESUP_CACHE}/.cache}/kubesup}/programs/$key
bin=$cache/bin
mkdir -p "$bin" "$cache/packages"
# Two test runs at once unpack once.
exec 9>"$cache/.lock"
flock 9

missing=()
for program in "${programs[@]}"; do
  [ -x "$bin/$program" ] && continue
  if found=$(command -v "$program"); then ln -sf "$found" "$bin/$program"; else missing+=("$program"); fi
done

if [ ${#missing[@]} -gt 0 ]; then
  for tool in apt-get apt-cache dpkg-deb dpkg-query; do
    command -v "$tool" >/dev/null || {
      echo "cannot run all tests: ${missing[*]} not found, and without $tool it cannot be unpacked from Debian's packages; install it" >&2
      exit 1
    }
  done
  packages=()
  for program in "${missing[@]}"; do packages+=("$(package_of "$program")"); done
  if ! apt-cache show --no-all-versions "${packages[@]}" >/dev/null 2>&1; then
    apt-get update >&2 # a new machine has no lists yet; needs root
  fi
  # Libraries that they need and that are not there. The C library always is.
  mapfile -t libraries < <(
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
      "${packages[@]}" | grep -E '^(lib|lua)[a-z0-9.+-]*$' | sort -u |
      while read -r name; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
      done
  )
  echo "unpacking ${missing[*]} from Debian's packages into the cache; once" >&2
  # What is virtual has no package of its own; who provides it is in the list too.
  for package in "${packages[@]}" "${libraries[@]}"; do
    (cd "$cache/packages" && apt-get download -q "$package" >&2) ||
      [[ " ${libraries[*]} " == *" $package "* ]] || exit 1
  done
  for package in "$cache"/packages/*.deb; do dpkg-deb -x "$package" "$cache/root"; done
  rm -rf "$cache/packages"
  paths=
  for directory in "$cache"/root/{usr/lib,lib}/{"$(uname -m)"-linux-gnu,}; do
    [ -d "$directory" ] && paths=$paths${paths:+:}$directory
  done
  for program in "${missing[@]}"; do
    file=$(find "$cache/root" \( -type f -o -type l \) -path "*bin/$program" | head -1)
    [ -n "$file" ] || { echo "the packages ${packages[*]} have no program $program" >&2; exit 1; }
    if ! LC_ALL=C ldd "$file" | grep -q "not found"; then # a shell before it would show in what is measured
      ln -sf "$file" "$bin/$program"
      continue
    fi
    printf '#!/bin/bash\nLD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec %q "$@"\n' "$paths" "$file" >"$bin/$program.part"
    chmod +x "$bin/$program.part"
    mv "$bin/$program.part" "$bin/$program"
  done
fi
echo "$bin"
