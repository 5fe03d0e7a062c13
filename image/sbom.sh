#!/usr/bin/env bash
# Prints what is in the binary as a CycloneDX 1.5 document: every crate that is linked for the target, with version, license
# and, from Cargo.lock, the checksum of its source. No date and no serial number: the same sources give the same document.
#
#   image/sbom.sh TARGET
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$1

# Build scripts and procedural macros run while building and are not in the binary: edges "normal" only, and no macros.
tree=$(cargo tree --locked --edges normal,no-proc-macro --target "$target" --prefix none --format '{p}|{l}' | sed 's/ (\*)$//; s/ (\/[^)]*)//' | sort -u)
[ -n "$tree" ] || { echo "cannot list the crates of the binary" >&2; exit 1; }
{ awk '/^name = /{n=$3} /^version = /{v=$3} /^checksum = /{gsub(/"/,"",n); gsub(/"/,"",v); c=$3; gsub(/"/,"",c); print n "@" v "|" c}' Cargo.lock; echo "----"; echo "$tree"; } | awk -F'|' '
  function quote(text) { gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); return "\"" text "\"" }
  /^----$/ { crates = 1; next }
  !crates { sum[$1] = $2; next }
  {
    split($1, words, " "); name = words[1]; version = words[2]; sub(/^v/, "", version)
    reference = "pkg:cargo/" name "@" version
    license = $2; gsub(/\//, " OR ", license)
    item = "{\"type\":\"library\",\"bom-ref\":" quote(reference) ",\"name\":" quote(name) ",\"version\":" quote(version) ",\"purl\":" quote(reference)
    if (license != "") item = item ",\"licenses\":[{\"expression\":" quote(license) "}]"
    if ((name "@" version) in sum) item = item ",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":" quote(sum[name "@" version]) "}]"
    item = item "}"
    if (name == "kubesup") { sub(/"type":"library"/, "\"type\":\"application\"", item); own = item }
    else list = list (list == "" ? "" : ",\n    ") item
  }
  END {
    print "{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,"
    print "  \"metadata\": {\"component\": " own "},\n  \"components\": [\n    " list "\n  ]\n}"
  }'
