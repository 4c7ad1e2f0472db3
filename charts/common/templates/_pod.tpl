{{/* What every pod has in common. Arguments: context, account, whether it talks to the Kubernetes API. */}}
{{- define "common.podSpec" -}}
{{- $c := index . 0 -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: {{ index . 2 }}
enableServiceLinks: false
{{- with $c.Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ quote . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- toYaml $c.Values.securityContext | nindent 2 }}
  {{- if include "common.since" (list $c "1.19") }}
  seccompProfile: {type: RuntimeDefault}
  {{- end }}
  {{- if include "common.since" (list $c "1.20") }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
{{- end -}}

{{/* What every container has in common. Arguments: context, key below images, resources. */}}
{{- define "common.container" -}}
{{- $c := index . 0 -}}
image: {{ include "common.image" (list $c (index . 1)) | quote }}
imagePullPolicy: {{ $c.Values.images.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
resources: {{- index . 2 | toYaml | nindent 2 }}
{{- end -}}

{{/* Before Kubernetes 1.19 the seccomp profile is an annotation. */}}
{{- define "common.seccompAnnotation" -}}
{{- if not (include "common.since" (list . "1.19")) -}}
seccomp.security.alpha.kubernetes.io/pod: runtime/default
{{- end -}}
{{- end -}}

{{/* Istio reads the label in new versions and the annotation in old ones. Arguments: "true" or "false". */}}
{{- define "common.inject" -}}
sidecar.istio.io/inject: {{ . | quote }}
{{- end -}}
