{{/* Stops with all that is wrong with the values, each in a sentence that names the key. */}}
{{- define "common.validate" -}}
{{- $c := . -}}
{{- $v := .Values -}}
{{- if and $v.credentials.keys (not $v.credentials.existingSecret) -}}
{{- include "common.problem" (list . "credentials.keys is set, but not the Secret: set credentials.existingSecret") -}}
{{- end -}}
{{- range $name, $_ := $v.credentials.keys -}}
{{- if not (hasKey $c.definition.parameters $name) -}}
{{- include "common.problem" (list $c (printf "credentials.keys.%s: this connector has no such field: it has %s" $name (keys $c.definition.parameters | sortAlpha | join ", "))) -}}
{{- end -}}
{{- end -}}
{{- $hosts := list -}}
{{- range .definition.deliveries -}}
{{- $hosts = append $hosts .name -}}
{{- if .token -}}{{- $hosts = append $hosts (printf "%s-token" .name) -}}{{- end -}}
{{- end -}}
{{- range $name, $_ := $v.exposure.hosts -}}
{{- if not (has $name $hosts) -}}
{{- include "common.problem" (list $c (printf "exposure.hosts.%s: this connector has no such delivery: it has %s" $name (join ", " $hosts))) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.buffer.type "jetstream") (not $v.buffer.jetstream.url) -}}
{{- include "common.problem" (list . "buffer.type jetstream needs the address of the cluster: set buffer.jetstream.url") -}}
{{- end -}}
{{- if and (has $v.sink.kind (list "cloudevents" "nats")) (not $v.sink.url) -}}
{{- include "common.problem" (list . (printf "sink.kind %s needs an address: set sink.url" $v.sink.kind)) -}}
{{- end -}}
{{- if and $v.sink.url (eq (include "common.sinkKind" .) "auto") -}}
{{- include "common.problem" (list . "sink.url needs to be told what is there: set sink.kind") -}}
{{- end -}}
{{- if $v.registration.enabled -}}
{{- $_ := include "common.application" . -}}
{{- end -}}
{{- include "common.validateExposure" . -}}
{{- $_ := include "common.subscriptions" . -}}
{{- with .problems -}}
{{- fail (printf "\n\n%s\n" (. | uniq | join "\n")) -}}
{{- end -}}
{{- end -}}
