{{/* The definition, the parameters that are not secret and, where form fields give them, those that are. */}}
{{- define "common.config" -}}
{{- $c := . -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.name" (list . "definition") }}
  labels: {{- include "common.labels" (list . "definition") | nindent 4 }}
data: {{- include "common.data" .files | nindent 2 }}
{{- with include "common.configData" . }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.name" (list $c "config") }}
  labels: {{- include "common.labels" (list $c "config") | nindent 4 }}
data: {{- . | nindent 2 }}
{{- end }}
{{- if include "common.paramsOf" (list . "secret") }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "common.name" (list . "credentials") }}
  labels: {{- include "common.labels" (list . "credentials") | nindent 4 }}
type: Opaque
data:
{{- range $name, $param := .params }}
{{- if eq $param.place "secret" }}
  {{ quote $name }}: {{ b64enc $param.value }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The parameters that are not secret, as YAML; nothing where there are none. */}}
{{- define "common.configData" -}}
{{- $data := dict -}}
{{- range $name, $param := .params -}}
{{- if eq $param.place "config" -}}{{- $_ := set $data $name $param.value -}}{{- end -}}
{{- end -}}
{{- include "common.data" $data -}}
{{- end -}}

{{/* A map of texts as YAML, one line each: exact to the last line break. */}}
{{- define "common.data" -}}
{{- $lines := list -}}
{{- range $key, $text := . -}}
{{- $lines = append $lines (printf "%s: %s" (toJson $key) (toJson $text)) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{/* Changes when the definition or a parameter that is not secret changes. Secrets are re-read when they change; a digest of one has no place in an annotation. */}}
{{- define "common.checksum" -}}
{{- printf "%s\n%s" (toJson .files) (include "common.configData" .) | sha256sum -}}
{{- end -}}

{{/*
The places that parameters are read from, as a YAML list: name, volume source. Later places win.
Arguments: context, whether each may be missing.
*/}}
{{- define "common.places" -}}
{{- $c := index . 0 -}}
{{- $optional := ternary "\n    optional: true" "" (index . 1) -}}
{{- if include "common.paramsOf" (list $c "generated") }}
- name: generated
  secret:
    secretName: {{ include "common.name" (list $c "generated") }}
    defaultMode: 288
    {{- $optional }}
{{- end }}
{{- if include "common.configData" $c }}
- name: config
  configMap:
    name: {{ include "common.name" (list $c "config") }}
    defaultMode: 292
    {{- $optional }}
{{- end }}
{{- if include "common.paramsOf" (list $c "secret") }}
- name: secret
  secret:
    secretName: {{ include "common.name" (list $c "credentials") }}
    defaultMode: 288
    {{- $optional }}
{{- end }}
{{- if include "common.paramsOf" (list $c "existing") }}
- name: existing
  secret:
    secretName: {{ quote $c.Values.credentials.existingSecret }}
    defaultMode: 288
    {{- $optional }}
    items:
    {{- range $name, $param := $c.params }}
    {{- if eq $param.place "existing" }}
      - {key: {{ $param.key | quote }}, path: {{ quote $name }}}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* Volume with the definition's directory. Arguments: context, name of the ConfigMap, whether it may be missing. */}}
{{- define "common.definitionVolume" -}}
- name: definition
  configMap:
    name: {{ index . 1 }}
    defaultMode: 292
    {{- if index . 2 }}
    optional: true
    {{- end }}
    items:
    {{- range (index . 0).items }}
      - {key: {{ .key | quote }}, path: {{ .path | quote }}}
    {{- end }}
{{- end -}}

{{/*
Volumes with the definition and the parameters. Arguments: context, whether a pod starts without those that are
gone, as the one that cleans up has to.
*/}}
{{- define "common.volumes" -}}
{{- $c := index . 0 -}}
{{ include "common.definitionVolume" (list $c (include "common.name" (list $c "definition")) (index . 1)) }}
{{- include "common.places" . }}
{{- with $c.Values.system.trust.configMap }}
- name: trust
  configMap:
    name: {{ quote . }}
    defaultMode: 292
    items: [{key: {{ quote $c.Values.system.trust.key }}, path: ca.crt}]
    {{- if index $ 1 }}
    optional: true
    {{- end }}
{{- end }}
{{- end -}}

{{/* Where those volumes are mounted. */}}
{{- define "common.mounts" -}}
- {name: definition, mountPath: /etc/connector/definition, readOnly: true}
{{- range include "common.places" (list . false) | fromYamlArray }}
- {name: {{ .name }}, mountPath: /etc/connector/params/{{ .name }}, readOnly: true}
{{- end }}
{{- if .Values.system.trust.configMap }}
- {name: trust, mountPath: /etc/connector/trust, readOnly: true}
{{- end }}
{{- end -}}

{{/* What tells a binary where they are. */}}
{{- define "common.paramsEnv" -}}
{{- $paths := list -}}
{{- range include "common.places" (list . false) | fromYamlArray -}}
{{- $paths = append $paths (printf "/etc/connector/params/%s" .name) -}}
{{- end -}}
- name: KC_CONNECTOR
  value: /etc/connector/definition/connector.yaml
- name: KC_PARAMS
  value: {{ join "," $paths | quote }}
{{- if .Values.system.trust.configMap }}
- name: SSL_CERT_FILE
  value: /etc/connector/trust/ca.crt
{{- end }}
{{- end -}}

{{/*
A container's environment with what the values add to it: a variable that they name replaces the chart's.
Arguments: context, the chart's variables as YAML, the values for this program.
*/}}
{{- define "common.withEnv" -}}
{{- $extra := deepCopy (index . 0).Values.extraEnv -}}
{{- include "common.merge" (list $extra (index . 2)) -}}
{{- $all := list -}}
{{- range index . 1 | fromYamlArray -}}
{{- if not (hasKey $extra .name) -}}{{- $all = append $all . -}}{{- end -}}
{{- end -}}
{{- range $name, $value := $extra -}}
{{- $all = append $all (dict "name" $name "value" (include "common.scalar" $value)) -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}
