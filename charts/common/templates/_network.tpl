{{/* What the pods may reach and who may reach them, for namespaces that deny everything by default. */}}
{{- define "common.network" -}}
{{- if .Values.networkPolicy.enabled -}}
{{- if .Values.registration.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.name" (list . "registration") }}
  labels: {{- include "common.labels" (list . "registration") | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "common.selector" (list . "registration") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "common.egressBasics" . | nindent 4 }}
    {{- include "common.egressSystem" . | nindent 4 }}
    {{- if include "common.catchesUp" . }}
    # The gateway's public address: its port, behind the address translation, is that of the cluster's ingress.
    - ports: [{port: 8443, protocol: TCP}]
    {{- end }}
    # Application Registry, Application Gateway, event publisher.
    - to: {{- include "common.peerKyma" . | nindent 8 }}
      ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]
    {{- include "common.egressExtra" . | nindent 4 }}
{{- end }}
{{- if include "common.hasGateway" . }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.gatewayName" . }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "common.selector" (list . "gateway") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- include "common.ingressGateway" . | nindent 4 }}
  egress:
    {{- include "common.egressDNS" . | nindent 4 }}
    {{- include "common.egressSink" . | nindent 4 }}
    {{- if .definition.relay }}
    {{- include "common.egressSystem" . | nindent 4 }}
    {{- end }}
    {{- include "common.egressExtra" . | nindent 4 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Peers in a namespace. Before Kubernetes 1.21 namespaces have no label with their name: then all of them. Arguments: context, namespace. */}}
{{- define "common.peerNamespace" -}}
{{- if include "common.since" (list (index . 0) "1.21") -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ index . 1 }}}}
{{- else -}}
namespaceSelector: {}
{{- end -}}
{{- end -}}

{{/* Kyma's own namespaces. */}}
{{- define "common.peerKyma" -}}
- {{ include "common.peerNamespace" (list . "kyma-system") }}
{{- if include "common.since" (list . "1.21") }}
- {{ include "common.peerNamespace" (list . "kyma-integration") }}
{{- end }}
{{- end -}}

{{- define "common.egressDNS" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 8053, protocol: UDP}
    - {port: 8053, protocol: TCP}
{{- end -}}

{{/* DNS and the API server, whose address no policy can know. */}}
{{- define "common.egressBasics" -}}
{{ include "common.egressDNS" . }}
- ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
{{- end -}}

{{/* The system: 443, and the ports that the form's URLs name. */}}
{{- define "common.egressSystem" -}}
- ports:
    - {port: 443, protocol: TCP}
    {{- range include "common.urlPorts" . | fromJsonArray }}
    {{- if ne 443 (int .) }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* Whether the registration posts events to the gateway that the system could not deliver. */}}
{{- define "common.catchesUp" -}}
{{- range include "common.webhooks" . | fromJsonArray }}{{ if .catchUp }}true{{ end }}{{ end -}}
{{- end -}}

{{/* Where events and traces go, what keeps events, and Istio's control plane. */}}
{{- define "common.egressSink" -}}
{{- $kind := include "common.sinkKind" . -}}
{{- $ports := list -}}
{{- if has $kind (list "cloudevents" "nats") -}}
{{- $ports = concat $ports (include "common.portsOf" .Values.sink.url | fromJsonArray) -}}
{{- end -}}
{{- if eq .Values.buffer.type "jetstream" -}}
{{- $ports = concat $ports (include "common.portsOf" .Values.buffer.jetstream.url | fromJsonArray) -}}
{{- end -}}
{{- with .Values.tracing.endpoint -}}
{{- $ports = concat $ports (include "common.portsOf" . | fromJsonArray) | uniq -}}
{{- end -}}
{{- if has $kind (list "auto" "kyma" "kyma-legacy") -}}
# Event publisher; before Kyma 1.21 the event service.
- to: {{- include "common.peerKyma" . | nindent 4 }}
  ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]
{{- end }}
{{- with $ports }}
- ports:
  {{- range . }}
    - {port: {{ int . }}, protocol: TCP}
  {{- end }}
{{- end }}
{{- if .Values.mesh.enabled }}
# Istio's control plane; before 1.6 it has several ports.
- to:
    - {{ include "common.peerNamespace" (list . "istio-system") }}
  {{- if include "common.since" (list . "1.21") }}
  ports: [{port: 15012, protocol: TCP}]
  {{- else }}
  ports: [{port: 15012, protocol: TCP}, {port: 15010, protocol: TCP}, {port: 15011, protocol: TCP}, {port: 8060, protocol: TCP}]
  {{- end }}
{{- end }}
{{- end -}}

{{/* Ports of one or more URLs, separated by commas, as a JSON list; where none is named, that of the scheme and 8080, since a policy sees the pod's port and not the Service's. */}}
{{- define "common.portsOf" -}}
{{- $ports := list -}}
{{- range splitList "," . -}}
{{- $authority := regexFind "//[^/]*" (trim .) -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- if $port -}}
{{- $ports = append $ports (int $port) -}}
{{- else if hasPrefix "https:" (trim .) -}}
{{- $ports = append $ports 443 -}}
{{- else if hasPrefix "http:" (trim .) -}}
{{- $ports = concat $ports (list 80 8080) -}}
{{- else -}}
{{- $ports = append $ports 4222 -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{- define "common.egressExtra" -}}
{{- with .Values.networkPolicy.extraEgress -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "common.ingressGateway" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $exposure := include "common.exposureType" . -}}
{{- if $policy.publicFrom -}}
- from: {{- toYaml $policy.publicFrom | nindent 4 }}
  ports: [{port: 8080, protocol: TCP}]
{{- else if hasPrefix "apirule" $exposure -}}
- from:
    - {{ include "common.peerNamespace" (list . "istio-system") }}
      podSelector: {matchLabels: {app: istio-ingressgateway}}
  ports: [{port: 8080, protocol: TCP}]
{{- else if eq $exposure "ingress" -}}
- ports: [{port: 8080, protocol: TCP}]
{{- end }}
- from:
  {{- if $policy.metricsFrom }}
    {{- toYaml $policy.metricsFrom | nindent 4 }}
  {{- else }}
    - namespaceSelector: {}
      podSelector: {matchLabels: {app.kubernetes.io/name: prometheus}}
  {{- end }}
  {{- if .Values.tests.enabled }}
    # helm test asks what has arrived.
    - podSelector:
        matchLabels: {{- include "common.selector" (list . "test") | nindent 10 }}
  {{- end }}
  ports: [{port: 8081, protocol: TCP}]
{{- if .definition.relay }}
- from:
    - podSelector: {}
    - {{ include "common.peerNamespace" (list . "kyma-system") }}
  ports: [{port: 8082, protocol: TCP}]
{{- end }}
{{- with $policy.extraIngress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
