{{/*
helm test: what is registered answers through Kyma's Application Gateway, and events find their way to Kyma. Both pods go through Kyma's Application
Gateway or event publisher, which take calls from the mesh only; their sidecar is one that ends with them.
*/}}
{{- define "common.test" -}}
{{- if and .Values.tests.enabled .Values.registration.hooks -}}
{{- if .Values.networkPolicy.enabled -}}
{{ include "common.testNetwork" . }}
{{- end }}
{{- if .Values.registration.enabled }}
---
{{ include "common.rights" (dict "c" . "job" "test" "remove" false "hook" "test") }}
---
{{ include "common.testPod" (dict "c" . "name" "test-registration" "account" "test" "container" "registration-job" "image" "registrationJob" "args" (list "verify")
      "resources" .Values.registration.resources "env" (include "common.verifyEnv" .)) }}
{{- end }}
{{- if include "common.hasGateway" . }}
---
{{ include "common.testPod" (dict "c" . "name" "test-gateway" "account" "" "container" "event-gateway" "image" "eventGateway" "args" (list "check" "--sink")
      "resources" .Values.gateway.resources "env" (include "common.gatewayEnv" .)) }}
{{- end }}
{{- end -}}
{{- end -}}

{{/*
A pod that runs once. A dict: c, name, account (name, empty for the namespace's default without a token), container, image, args,
resources, env.
*/}}
{{- define "common.testPod" -}}
{{- $c := .c -}}
{{- $inject := include "common.inject" (include "common.testMesh" $c) -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "common.name" (list $c .name) }}
  labels: {{- include "common.labels" (list $c "test") | nindent 4 }}
    {{- $inject | nindent 4 }}
  annotations: {{- include "common.hook" (list $c "test" 0 true) | nindent 4 }}
    # helm test prints what the pod says (Helm 3.18), before it removes it.
    helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
    {{- $inject | nindent 4 }}
    sidecar.istio.io/nativeSidecar: "true"
    {{- with include "common.seccompAnnotation" $c }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  {{- include "common.podSpec" (list $c (ternary (include "common.gatewayName" $c) (include "common.name" (list $c "test")) (eq .account "")) (ne .account "")) | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: {{ .container }}
      args: {{ toJson .args }}
      {{- include "common.container" (list $c .image .resources) | nindent 6 }}
      env:
        {{- .env | nindent 8 }}
      volumeMounts:
        {{- include "common.gatewayMounts" $c | nindent 8 }}
  volumes:
    {{- include "common.gatewayVolumes" $c | nindent 4 }}
{{- end -}}

{{/* What verify knows besides the other commands: where the event gateway counts what arrives. */}}
{{- define "common.verifyEnv" -}}
{{- include "common.registrationEnv" (dict "c" . "command" "verify") }}
{{- if include "common.hasGateway" . }}
- name: KC_EVENT_GATEWAY_URL
  value: {{ printf "http://%s.%s:8081" (include "common.gatewayName" .) .Release.Namespace | quote }}
{{- end }}
{{- end -}}

{{/* Only a sidecar that Kubernetes knows as one (1.29) ends with its pod. */}}
{{- define "common.testMesh" -}}
{{- ternary "true" "false" (and (eq (include "common.istioSecurity" .) "v1") (eq "true" (include "common.since" (list . "1.29")))) -}}
{{- end -}}

{{/* What the test pods may reach. */}}
{{- define "common.testNetwork" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.name" (list . "test") }}
  labels: {{- include "common.labels" (list . "test") | nindent 4 }}
  {{- include "common.hookAnnotations" (list . "test" -15 true) }}
spec:
  podSelector:
    matchLabels: {{- include "common.selector" (list . "test") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "common.egressBasics" . | nindent 4 }}
    {{- include "common.egressSystem" . | nindent 4 }}
    {{- include "common.egressSink" . | nindent 4 }}
    {{- if include "common.hasGateway" . }}
    # The event gateway, which counts what arrives.
    - to:
        - podSelector:
            matchLabels: {{- include "common.selector" (list . "gateway") | nindent 14 }}
      ports: [{port: 8081, protocol: TCP}]
    {{- end }}
    # Application Gateway, by which the APIs are called.
    - to: {{- include "common.peerKyma" . | nindent 8 }}
      ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]
    {{- include "common.egressExtra" . | nindent 4 }}
{{- end -}}
