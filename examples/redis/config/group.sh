# What the hooks share: who leads, who else there is, and how to ask. Rendered anew, and hooks/reconfigure run, when that
# changes.
data={{pkg.svc_data_path}}
leads={{#if svc.me.leader}}yes{{else}}no{{/if}}
term={{kube.leader.term}}
# Whom to follow: host and port. While nobody leads, an address where nothing listens.
leader="{{#if svc.leader}}{{svc.leader.sys.ip}} {{default cfg.port svc.leader.cfg.port}}{{else}}127.0.0.1 1{{/if}}"
# The other members that are to stay: Pod, host, port.
others="{{#each kube.endpoints as |member|}}{{#unless (or member.terminating (eq member.name @root.kube.pod.name))}}
{{member.name}} {{member.addresses.[0]}} {{default @root.cfg.port member.ports.redis}}{{/unless}}{{/each}}"

redis() { redis-cli -h {{sys.ip}} -p {{cfg.port}} "$@"; }

# redis-cli ends with 0 whatever the answer is.
say() {
  answer=$(redis "$@" 2>&1)
  case $answer in OK*) ;; *) echo "$1 $2: $answer" >&2; return 1 ;; esac
}

# How much of the group's history there is, as one number: the term of the last leader whose writes it has, then the offset in
# the replication stream. A leader that was cut off may have the higher offset; what it wrote alone is not the group's history.
standing() { # term offset
  [ "$1" -lt 65536 ] || set -- 65535 "$2"
  echo $((($1 << 47) + $2))
}

# The same of a Redis that runs; nothing when there is no answer, or it is still loading.
standing_of() { # host port
  answers=$(printf 'GET kubesup:term\nINFO replication\n' | timeout 0.5 redis-cli -h "$1" -p "$2" 2>/dev/null | tr -d '\r')
  has=$(echo "$answers" | sed -n 1p)
  offset=$(echo "$answers" | sed -n 's/^master_repl_offset:\([0-9]*\)$/\1/p')
  case $has in *[!0-9]*) return ;; esac
  [ -z "$offset" ] || standing "${has:-0}" "$offset"
}

# The other members that have at least this much of it, one a line. All are asked at once.
who_has() { # number
  echo "$others" | {
    while read -r pod host port; do
      [ -z "$pod" ] || {
        other=$(standing_of "$host" "$port")
        [ "${other:-0}" -lt "$1" ] || echo "$pod"
      } &
    done
    wait
  }
}
