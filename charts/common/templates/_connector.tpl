{{/*
Everything that a connector chart renders. A connector chart has one template that includes this one:
its definition is files/connector.yaml, its form fields are values at the root.
*/}}
{{- define "common.connector" -}}
{{- $c := dict -}}
{{- include "common.context" (list . $c) -}}
{{- include "common.validate" $c -}}
{{- $documents := list -}}
{{- range $part := list
      "common.config"
      "common.prepare"
      "common.registration"
      "common.delete"
      "common.gateway"
      "common.services"
      "common.subscriptions"
      "common.disruption"
      "common.network"
      "common.exposure"
      "common.mesh"
      "common.monitor"
      "common.alerts"
      "common.dashboard"
      "common.test" -}}
{{- range $document := printf "\n%s\n" (include $part $c) | splitList "\n---\n" -}}
{{- with trim $document -}}
{{- $documents = append $documents . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "\n---\n" $documents }}
{{ end -}}
