{{/*
Annotations of a Helm hook; none where hooks are off. An object goes when the next one like it comes, and, where
asked for, when all hooks of the event have succeeded. Arguments: context, events, weight, whether to remove it on success.
*/}}
{{- define "common.hook" -}}
{{- if (index . 0).Values.registration.hooks -}}
helm.sh/hook: {{ index . 1 }}
helm.sh/hook-weight: {{ index . 2 | quote }}
helm.sh/hook-delete-policy: before-hook-creation{{ if index . 3 }},hook-succeeded{{ end }}
{{- end -}}
{{- end -}}

{{/* The same as a block of metadata, indented. Arguments as above. */}}
{{- define "common.hookAnnotations" -}}
{{- with include "common.hook" . }}
  annotations: {{- . | nindent 4 }}
{{- end }}
{{- end -}}
