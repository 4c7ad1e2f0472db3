{{/*
The context that all other templates work with: what Helm gives, the values with their defaults, the definition,
and what follows from them. Arguments: the root context, an empty dict to fill.

  Values Release Chart Capabilities Files   as in Helm; Values are merged over the library's defaults
  kube, live, apis      Kubernetes version; whether a cluster is seen; kinds that count as present besides those seen
  fullname              start of all names
  definition            files/connector.yaml
  files, items          the definition's directory: ConfigMap key -> content; key and path of each
  params                parameter -> {kind, value, place}; place is config, secret, existing, generated or none
  problems              what is wrong with the values, as sentences
*/}}
{{- define "common.context" -}}
{{- $root := index . 0 -}}
{{- $c := index . 1 -}}
{{- $values := deepCopy $root.Values.common -}}
{{- include "common.merge" (list $values (omit $root.Values "common")) -}}
{{- $_ := set $c "Values" $values -}}
{{- $_ := set $c "Release" $root.Release -}}
{{- $_ := set $c "Chart" $root.Chart -}}
{{- $_ := set $c "Capabilities" $root.Capabilities -}}
{{- $_ := set $c "Files" $root.Files -}}
{{- $_ := set $c "problems" list -}}
{{- include "common.capabilities" $c -}}
{{- $_ := set $c "fullname" (include "common.fullname" $c) -}}
{{- include "common.definition" $c -}}
{{- include "common.params" $c -}}
{{- end -}}

{{/* Puts the second map over the first, in place. Unlike merge functions, false, 0 and "" win, too. */}}
{{- define "common.merge" -}}
{{- $target := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $target $key)) -}}
{{- include "common.merge" (list (get $target $key) $value) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $target $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Notes a problem. Arguments: context, sentence. */}}
{{- define "common.problem" -}}
{{- $c := index . 0 -}}
{{- $_ := set $c "problems" (append $c.problems (index . 1)) -}}
{{- end -}}
