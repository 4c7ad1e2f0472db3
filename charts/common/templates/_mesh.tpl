{{/* Version of Istio's security API that the cluster has; nothing where there is none or the gateway has no sidecar. */}}
{{- define "common.istioSecurity" -}}
{{- if .Values.mesh.enabled -}}
{{- if include "common.has" (list . "security.istio.io/v1/AuthorizationPolicy") -}}
v1
{{- else if include "common.has" (list . "security.istio.io/v1beta1/AuthorizationPolicy") -}}
v1beta1
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Settings of the gateway's sidecar: it is there before the gateway starts and stays until the gateway has finished. Only
for versions of Istio that know both.
*/}}
{{- define "common.proxyConfig" -}}
{{- if eq (include "common.istioSecurity" .) "v1" -}}
{{- dict "holdApplicationUntilProxyStarts" true "terminationDrainDuration" (printf "%ds" (max 5 (sub (int .Values.gateway.terminationGracePeriodSeconds) 15))) | toJson -}}
{{- end -}}
{{- end -}}

{{/*
Who may call the gateway inside the mesh. An APIRule v2 lets only Istio's ingress gateway in, for the paths that it
exposes; this adds those who come from inside: metrics from anywhere, the relay from Kyma and from this namespace.
Without an APIRule v2, the policy must let the public port be reached, too, since what no policy allows is denied.
*/}}
{{- define "common.mesh" -}}
{{- $version := include "common.istioSecurity" . -}}
{{- if and $version (include "common.hasGateway" .) -}}
{{- $exposure := include "common.exposureType" . -}}
apiVersion: security.istio.io/{{ $version }}
kind: AuthorizationPolicy
metadata:
  name: {{ include "common.gatewayName" . }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
spec:
  selector:
    matchLabels: {{- include "common.selector" (list . "gateway") | nindent 6 }}
  action: ALLOW
  rules:
    {{- if hasPrefix "apirule-v1" $exposure }}
    - from:
        - source: {principals: [{{ .Values.mesh.ingressPrincipal | quote }}]}
      to:
        - operation: {ports: ["8080"]}
    {{- else if ne $exposure "apirule-v2" }}
    - to:
        - operation: {ports: ["8080"]}
    {{- end }}
    - from:
        - source: {notPrincipals: [{{ .Values.mesh.ingressPrincipal | quote }}]}
      to:
        - operation: {ports: ["8081"]}
    {{- if .definition.relay }}
    - from:
        - source: {namespaces: [kyma-system, {{ quote .Release.Namespace }}]}
      to:
        - operation: {ports: ["8082"]}
    {{- end }}
{{- end -}}
{{- end -}}
