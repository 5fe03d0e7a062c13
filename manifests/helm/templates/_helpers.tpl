{{/* Which folders are in: the base and what is switched on. */}}
{{- define "kubesup.folders" -}}
{{- $on := list "base" -}}
{{- with .Values.components -}}
{{- if .leader }}{{ $on = append $on "leader" }}{{ end -}}
{{- if .roleLabel }}{{ $on = append $on "role-label" }}{{ end -}}
{{- if .readinessGate }}{{ $on = append $on "readiness-gate" }}{{ end -}}
{{- if .events }}{{ $on = append $on "events" }}{{ end -}}
{{- end -}}
{{- if .Values.binds }}{{ $on = append $on "binds" }}{{ end -}}
{{- if .Values.secrets }}{{ $on = append $on "secrets" }}{{ end -}}
{{- join "," $on -}}
{{- end -}}

{{/* A Pod's spec with a component's patch laid over it, as kustomize does it: lists by name, the patch's entries first. Takes a
     dict with `pod` and `patch`, and changes `pod`. */}}
{{- define "kubesup.lay" -}}
{{- $pod := .pod -}}
{{- range $key, $value := .patch -}}
{{- if has $key (list "containers" "initContainers") -}}
{{- $have := dict -}}
{{- range default list (get $pod $key) }}{{ $_ := set $have .name . }}{{ end -}}
{{- range $value -}}
{{- if hasKey $have .name -}}
{{- $container := get $have .name -}}
{{- $_ := set $container "volumeMounts" (concat (default list .volumeMounts) (default list $container.volumeMounts)) -}}
{{- if not $container.volumeMounts }}{{ $_ := unset $container "volumeMounts" }}{{ end -}}
{{- $_ := mergeOverwrite $container (omit . "volumeMounts") -}}
{{- else -}}
{{- $_ := set $pod $key (prepend (default list (get $pod $key)) .) -}}
{{- end -}}
{{- end -}}
{{- else if eq $key "volumes" -}}
{{- $_ := set $pod $key (concat $value (default list (get $pod $key))) -}}
{{- else -}}
{{- $_ := set $pod $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
