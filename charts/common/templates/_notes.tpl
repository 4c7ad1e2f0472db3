{{/* What helm says after an installation: where things are. Arguments: the root context. */}}
{{- define "common.notes" -}}
{{- $c := dict -}}
{{- include "common.context" (list . $c) -}}
{{- $namespace := .Release.Namespace -}}
{{ .Release.Name }} connects {{ $c.definition.metadata.displayName }} with Kyma.
{{- if $c.Values.registration.enabled }}

What is registered, how to call it, and what is left to do at the system's side:
  kubectl -n {{ $namespace }} get configmap {{ include "common.name" (list $c "status") }} -o jsonpath='{.data.report}'
{{- end }}
{{- if include "common.deliveries" $c }}
{{- if ne (include "common.exposureType" $c) "none" }}

Events come in at:
{{- range include "common.exposed" $c | fromYamlArray }}
{{- $host := .host }}
{{- range .rules }}
  https://{{ $host }}{{ .path }}
{{- end }}
{{- end }}
{{- if not (include "common.domain" $c) }}
(a host without a domain is completed with that of the cluster)
{{- end }}
{{- else }}

The gateway is not exposed (exposure.type none, or this cluster has no APIRule): set exposure.type, or expose the Service {{ include "common.gatewayName" $c }} yourself and set exposure.callbackUrl.
{{- end }}
{{- end }}
{{- with include "common.paramsOf" (list $c "generated") }}

Generated, and kept across upgrades: {{ . | replace "," ", " }}. Read one of them:
  kubectl -n {{ $namespace }} get secret {{ include "common.name" (list $c "generated") }} -o go-template='{{ "{{" }}index .data "{{ splitList "," . | last }}" | base64decode{{ "}}" }}'
{{- end }}
{{- if and $c.Values.tests.enabled $c.Values.registration.hooks }}

Check it: helm test {{ .Release.Name }} -n {{ $namespace }}
{{- end }}
{{ end -}}
