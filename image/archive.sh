#!/usr/bin/env bash
# Writes an OCI image archive of files, without a daemon: the same files give the same bytes, whoever packs them, where and
# when. `docker load`, `podman load`, `skopeo copy oci-archive:` and `ctr images import` read it.
#
#   image/archive.sh ARCHIVE NAME ARCHITECTURE ENTRYPOINT [PATH=FILE[:MODE]]... [--user UID] [--env NAME=VALUE] [--stop-signal NAME]
#
# FILE may be a directory. Prints the digest of the manifest, by which a registry knows the image.
set -euo pipefail
export LC_ALL=C
umask 022

archive=$1 name=$2 architecture=$3 entrypoint=$4
shift 4
user=65534 stop= environment=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root blobs=$work/oci/blobs/sha256
mkdir -p "$root" "$blobs"

while [ $# -gt 0 ]; do
  case $1 in
    --user) user=$2; shift 2; continue ;;
    --stop-signal) stop=',"StopSignal":"'$2'"'; shift 2; continue ;;
    --env) environment+=("$2"); shift 2; continue ;;
  esac
  path=${1%%=*} file=${1#*=} mode=
  case $file in *:0[0-7][0-7][0-7]) mode=${file##*:} file=${file%:*} ;; esac
  [ -e "$file" ] || [ -L "$file" ] || { echo "cannot pack $name: $file is not there" >&2; exit 1; }
  mkdir -p "$root/$(dirname "$path")"
  cp -rP --preserve=mode "$file" "$root/$path"
  if [ -n "$mode" ]; then chmod "$mode" "$root/$path"; fi
  shift
done

# The bits that the checkout or the umask decides are settled: everybody reads, who executes is kept.
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f ! -perm -100 -exec chmod 644 {} +
find "$root" -type f -perm -100 -exec chmod 755 {} +
pack=(tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner)

blob() { # of standard input: prints its digest and size
  cat >"$work/blob"
  local digest size
  digest=$(sha256sum "$work/blob" | cut -d' ' -f1)
  size=$(stat -c %s "$work/blob")
  mv "$work/blob" "$blobs/$digest"
  echo "$digest $size"
}

json() { # a JSON string
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

"${pack[@]}" -C "$root" -cf "$work/layer.tar" .
diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
read -r layer layer_size < <(gzip -n -9 <"$work/layer.tar" | blob)
variables=
for variable in PATH=/usr/sbin:/usr/bin:/sbin:/bin ${environment[@]+"${environment[@]}"}; do
  variables+=${variables:+,}$(json "$variable")
done
read -r config config_size < <(printf '{"architecture":%s,"os":"linux","config":{"User":"%s:%s","Env":[%s],"Entrypoint":[%s],"WorkingDir":"/"%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"image/archive.sh"}],"created":"1970-01-01T00:00:00Z"}' \
  "$(json "$architecture")" "$user" "$user" "$variables" "$(json "$entrypoint")" "$stop" "$diff" | blob)
read -r manifest manifest_size < <(printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%s}]}' \
  "$config" "$config_size" "$layer" "$layer_size" | blob)
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci/oci-layout"
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"architecture":%s,"os":"linux"},"annotations":{"io.containerd.image.name":%s,"org.opencontainers.image.ref.name":%s}}]}' \
  "$manifest" "$manifest_size" "$(json "$architecture")" "$(json "$name")" "$(json "${name##*:}")" >"$work/oci/index.json"
chmod -R u=rwX,go=rX "$work/oci"
"${pack[@]}" -C "$work/oci" -cf "$work/archive.tar" blobs index.json oci-layout
mkdir -p "$(dirname "$archive")"
cp "$work/archive.tar" "$archive.part"
mv "$archive.part" "$archive"
echo "sha256:$manifest"
