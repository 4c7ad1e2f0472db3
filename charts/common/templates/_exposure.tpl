{{/* How the gateway is reached from outside: apirule-v2, apirule-v1beta1, apirule-v1alpha1, ingress or none. */}}
{{- define "common.exposureType" -}}
{{- if not (include "common.deliveries" .) -}}
none
{{- else if ne .Values.exposure.type "auto" -}}
{{- .Values.exposure.type -}}
{{- else if include "common.has" (list . "gateway.kyma-project.io/v2/APIRule") -}}
apirule-v2
{{- else if include "common.has" (list . "gateway.kyma-project.io/v1beta1/APIRule") -}}
apirule-v1beta1
{{- else if include "common.has" (list . "gateway.kyma-project.io/v1alpha1/APIRule") -}}
apirule-v1alpha1
{{- else -}}
none
{{- end -}}
{{- end -}}

{{/* "true" where the definition has a way in and the gateway is wanted. */}}
{{- define "common.deliveries" -}}
{{- if and .Values.gateway.enabled .definition.deliveries -}}true{{- end -}}
{{- end -}}

{{/* "true" where there is something for a gateway to do. */}}
{{- define "common.hasGateway" -}}
{{- if and .Values.gateway.enabled (or .definition.deliveries .definition.relay) -}}true{{- end -}}
{{- end -}}

{{- define "common.domain" -}}
{{- .Values.exposure.domain | default (include "common.scalar" (get .Values "cluster_domain")) -}}
{{- end -}}

{{/* The host of a delivery's webhook. Two releases never derive the same one. Arguments: context, name of the delivery. */}}
{{- define "common.host" -}}
{{- $c := index . 0 -}}
{{- $name := index . 1 -}}
{{- $label := printf "%s-%s-%s" $c.fullname $name $c.Release.Namespace -}}
{{- if gt (len $label) 63 -}}
{{- $label = printf "%s-%s" ($label | trunc 52 | trimSuffix "-") (sha256sum $label | trunc 10) -}}
{{- end -}}
{{- $domain := include "common.domain" $c -}}
{{- get $c.Values.exposure.hosts $name | default (ternary $label (printf "%s.%s" $label $domain) (eq $domain "")) -}}
{{- end -}}

{{/*
What is exposed, as a YAML list: name, host and rules (path, methods, below: none, one or all segments under the path).
Only the paths that the definition's deliveries name.
*/}}
{{- define "common.exposed" -}}
{{- $c := . -}}
{{- range .definition.deliveries }}
{{- if .http }}
{{- $tokenInPath := hasKey .verify "pathToken" }}
{{- range .verify.anyOf }}{{- if hasKey . "pathToken" }}{{- $tokenInPath = true }}{{- end }}{{- end }}
- name: {{ quote .name }}
  host: {{ include "common.host" (list $c .name) | quote }}
  rules:
    {{- $methods := ternary (list "POST" "GET" "HEAD") (list "POST") (ne 0 (int (default 0 .http.answerGet))) }}
    - {path: {{ .http.path | quote }}, methods: {{ toJson $methods }}, below: {{ ternary "all" (ternary "one" "none" $tokenInPath) (eq true .http.subpaths) }}}
    {{- if .http.openapi }}
    - {path: {{ printf "%s/openapi.json" (trimSuffix "/" .http.path) | quote }}, methods: [GET], below: none}
    {{- end }}
{{- else if .mqtt }}
- name: {{ quote .name }}
  host: {{ get $c.Values.exposure.hosts .name | default (include "common.text" (list $c .mqtt.host (printf "set exposure.hosts.%s" .name))) | quote }}
  rules:
    - {path: "/", methods: [GET], below: all}
{{- if .token }}
- name: {{ printf "%s-token" .name | quote }}
  host: {{ get $c.Values.exposure.hosts (printf "%s-token" .name) | default (include "common.text" (list $c .token.host (printf "set exposure.hosts.%s-token" .name))) | quote }}
  rules:
    - {path: {{ .token.path | quote }}, methods: [POST], below: none}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Public address of the gateway, which the system is told; the delivery that webhooks are registered for, or the first. */}}
{{- define "common.callbackUrl" -}}
{{- $url := include "common.callbackBase" . -}}
{{- if or .Values.exposure.callbackUrl (contains "." $url) -}}{{- $url -}}{{- end -}}
{{- end -}}

{{/* The same, but perhaps with a short host: enough for the instructions to people. */}}
{{- define "common.callbackBase" -}}
{{- $c := . -}}
{{- if .Values.exposure.callbackUrl -}}
{{- trimSuffix "/" .Values.exposure.callbackUrl -}}
{{- else if ne (include "common.exposureType" .) "none" -}}
{{- $wanted := "" -}}
{{- with include "common.webhooks" . | fromJsonArray -}}{{- $wanted = default "" (first .).delivery -}}{{- end -}}
{{- $host := "" -}}
{{- range .definition.deliveries -}}
{{- if and .http (or (eq .name $wanted) (and (not $wanted) (not $host))) -}}
{{- $host = include "common.host" (list $c .name) -}}
{{- end -}}
{{- end -}}
{{- with $host -}}
{{- printf "https://%s" . -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.validateExposure" -}}
{{- $c := . -}}
{{- $type := include "common.exposureType" . -}}
{{- if ne $type "none" -}}
{{- range include "common.exposed" . | fromYamlArray -}}
{{- if and (not (contains "." .host)) (has $type (list "apirule-v1alpha1" "ingress")) -}}
{{- include "common.problem" (list $c (printf "exposure.type %s needs a full host name for %s: set cluster_domain, exposure.domain or exposure.hosts.%s" $type .name .name)) -}}
{{- end -}}
{{- end -}}
{{- if and .definition.webhooks (not (include "common.callbackUrl" .)) -}}
{{- include "common.problem" (list . "the system has to be told a full address for its webhooks: set cluster_domain, exposure.domain or exposure.callbackUrl") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.exposure" -}}
{{- $c := . -}}
{{- $type := include "common.exposureType" . -}}
{{- if ne $type "none" -}}
{{- $template := printf "common.exposure.%s" $type -}}
{{- range include "common.exposed" . | fromYamlArray }}
---
{{ include $template (list $c .) }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "common.exposureMeta" -}}
{{- $c := index . 0 -}}
metadata:
  name: {{ include "common.name" (list $c (index . 1).name) }}
  labels: {{- include "common.labels" (list $c "gateway") | nindent 4 }}
{{- end -}}

{{- define "common.exposure.apirule-v2" -}}
{{- $c := index . 0 -}}
{{- $exposed := index . 1 -}}
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
{{ include "common.exposureMeta" . }}
spec:
  hosts: [{{ $exposed.host | quote }}]
  gateway: {{ $c.Values.exposure.gateway }}
  service: {name: {{ include "common.gatewayName" $c }}, port: 80}
  rules:
  {{- range $exposed.rules }}
    {{- if not (and (eq .path "/") (eq .below "all")) }}
    - {path: {{ .path | quote }}, methods: {{ toJson .methods }}, noAuth: true}
    {{- end }}
    {{- if ne .below "none" }}
    - {path: {{ printf "%s/%s" (trimSuffix "/" .path) (ternary "{**}" "{*}" (eq .below "all")) | quote }}, methods: {{ toJson .methods }}, noAuth: true}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* The rule list of v1beta1 and v1alpha1, whose paths are regular expressions. */}}
{{- define "common.exposure.rulesV1" -}}
{{- range . }}
- path: {{ printf "%s%s" .path (ternary "" (ternary "(/.*)?" "(/[^/]*)?" (eq .below "all")) (eq .below "none")) | replace "/(/.*)?" "/.*" | quote }}
  methods: {{ toJson .methods }}
  accessStrategies:
    - handler: allow
{{- end }}
{{- end -}}

{{- define "common.exposure.apirule-v1beta1" -}}
{{- $c := index . 0 -}}
{{- $exposed := index . 1 -}}
apiVersion: gateway.kyma-project.io/v1beta1
kind: APIRule
{{ include "common.exposureMeta" . }}
spec:
  host: {{ $exposed.host | quote }}
  gateway: {{ $c.Values.exposure.gateway }}
  service: {name: {{ include "common.gatewayName" $c }}, port: 80}
  rules:
    {{- include "common.exposure.rulesV1" $exposed.rules | nindent 4 }}
{{- end -}}

{{- define "common.exposure.apirule-v1alpha1" -}}
{{- $c := index . 0 -}}
{{- $exposed := index . 1 -}}
{{- $gateway := splitList "/" $c.Values.exposure.gateway -}}
apiVersion: gateway.kyma-project.io/v1alpha1
kind: APIRule
{{ include "common.exposureMeta" . }}
spec:
  gateway: {{ printf "%s.%s.svc.cluster.local" (last $gateway) (first $gateway) }}
  service: {name: {{ include "common.gatewayName" $c }}, port: 80, host: {{ $exposed.host | quote }}}
  rules:
    {{- include "common.exposure.rulesV1" $exposed.rules | nindent 4 }}
{{- end -}}

{{- define "common.exposure.ingress" -}}
{{- $c := index . 0 -}}
{{- $exposed := index . 1 -}}
{{- $ingress := $c.Values.exposure.ingress -}}
{{- $v1 := include "common.since" (list $c "1.19") -}}
{{- $annotations := $ingress.annotations -}}
{{- if and $ingress.className (not $v1) -}}
{{- $annotations = set (deepCopy $annotations) "kubernetes.io/ingress.class" $ingress.className -}}
{{- end -}}
apiVersion: {{ ternary "networking.k8s.io/v1" "networking.k8s.io/v1beta1" (eq $v1 "true") }}
kind: Ingress
{{ include "common.exposureMeta" . }}
  {{- with $annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if and $ingress.className $v1 }}
  ingressClassName: {{ quote $ingress.className }}
  {{- end }}
  {{- with $ingress.tlsSecret }}
  tls:
    - hosts: [{{ $exposed.host | quote }}]
      secretName: {{ quote . }}
  {{- end }}
  rules:
    - host: {{ $exposed.host | quote }}
      http:
        paths:
        {{- range $exposed.rules }}
          - path: {{ .path | quote }}
          {{- if $v1 }}
            pathType: {{ ternary "Exact" "Prefix" (eq .below "none") }}
            backend: {service: {name: {{ include "common.gatewayName" $c }}, port: {number: 80}}}
          {{- else }}
            backend: {serviceName: {{ include "common.gatewayName" $c }}, servicePort: 80}
          {{- end }}
        {{- end }}
{{- end -}}
