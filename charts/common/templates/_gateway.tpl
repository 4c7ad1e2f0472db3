{{/* The event gateway: a Deployment, or a StatefulSet where each replica has a disk. It has no account token. */}}
{{- define "common.gateway" -}}
{{- if include "common.hasGateway" . -}}
{{- $disk := eq .Values.buffer.type "disk" -}}
{{- $name := include "common.gatewayName" . -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $disk }}
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
spec:
  replicas: {{ int .Values.gateway.replicas }}
  selector:
    matchLabels: {{- include "common.selector" (list . "gateway") | nindent 6 }}
  {{- if $disk }}
  serviceName: {{ $name }}
  podManagementPolicy: Parallel
  updateStrategy: {type: RollingUpdate}
  {{- if include "common.since" (list . "1.27") }}
  # A buffer may still hold events: it goes only when somebody deletes it.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: buffer
        labels: {{- include "common.selector" (list . "gateway") | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .Values.buffer.disk.storageClass }}
        storageClassName: {{ quote . }}
        {{- end }}
        resources: {requests: {storage: {{ quote .Values.buffer.disk.size }}}}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  {{- end }}
  template: {{- include "common.gatewayPod" . | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "common.gatewayPod" -}}
{{- $gateway := .Values.gateway -}}
{{- $inject := include "common.inject" (ternary "true" "false" .Values.mesh.enabled) -}}
metadata:
  labels: {{- include "common.podLabels" (list . "gateway") | nindent 4 }}
    {{- $inject | nindent 4 }}
    networking.kyma-project.io/from-ingressgateway: allowed
  annotations: {{- $inject | nindent 4 }}
    kyma-connectors.io/checksum: {{ include "common.checksum" . }}
    {{- with include "common.proxyConfig" . }}
    proxy.istio.io/config: {{ . | quote }}
    {{- end }}
    {{- if .Values.metrics.annotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "8081"
    prometheus.io/path: /metrics
    {{- end }}
    {{- with include "common.seccompAnnotation" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $gateway.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "common.podSpec" (list . (include "common.gatewayName" .) false) | nindent 2 }}
  terminationGracePeriodSeconds: {{ int $gateway.terminationGracePeriodSeconds }}
  {{- with $gateway.priorityClassName }}
  priorityClassName: {{ quote . }}
  {{- end }}
  {{- with $gateway.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $gateway.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $gateway.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if include "common.since" (list . "1.18") }}
  topologySpreadConstraints:
    {{- $selector := include "common.selector" (list . "gateway") }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- $selector | nindent 10 }}
    {{- end }}
  {{- end }}
  initContainers:
    # Configuration only: a target that is down must not keep the gateway from starting.
    - name: check
      args: [check]
      {{- include "common.container" (list . "eventGateway" $gateway.resources) | nindent 6 }}
      env:
        {{- include "common.gatewayEnv" . | nindent 8 }}
      volumeMounts:
        {{- include "common.gatewayMounts" . | nindent 8 }}
        {{- if eq .Values.buffer.type "disk" }}
        - {name: buffer, mountPath: /var/lib/connector}
        {{- end }}
  containers:
    - name: event-gateway
      args: [serve]
      {{- include "common.container" (list . "eventGateway" $gateway.resources) | nindent 6 }}
      env:
        {{- include "common.serveEnv" . | nindent 8 }}
        - name: KC_LISTEN
          value: ":8080"
        - name: KC_ADMIN_LISTEN
          value: ":8081"
        {{- if .definition.relay }}
        - name: KC_RELAY_LISTEN
          value: ":8082"
        {{- end }}
        {{- with .Values.exposure.callbackUrl }}
        - name: KC_CALLBACK_URL
          value: {{ trimSuffix "/" . | quote }}
        {{- end }}
      ports:
        - {name: http, containerPort: 8080}
        - {name: http-admin, containerPort: 8081}
        {{- if .definition.relay }}
        - {name: http-relay, containerPort: 8082}
        {{- end }}
      {{- if include "common.since" (list . "1.18") }}
      # Opening a large buffer after a crash takes its time.
      startupProbe:
        httpGet: {path: /healthz, port: http-admin}
        periodSeconds: 2
        failureThreshold: 90
      {{- end }}
      livenessProbe:
        httpGet: {path: /healthz, port: http-admin}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: {{ ternary 6 18 (eq "true" (include "common.since" (list . "1.18"))) }}
      readinessProbe:
        httpGet: {path: /readyz, port: http-admin}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      volumeMounts:
        {{- include "common.gatewayMounts" . | nindent 8 }}
        {{- if eq .Values.buffer.type "disk" }}
        - {name: buffer, mountPath: /var/lib/connector}
        {{- end }}
  volumes:
    {{- include "common.gatewayVolumes" . | nindent 4 }}
{{- end -}}

{{/* Mounts of the gateway but for its disk. */}}
{{- define "common.gatewayMounts" -}}
{{ include "common.mounts" . }}
{{- if .Values.nats.credentialsSecret }}
- {name: nats, mountPath: /etc/connector/nats, readOnly: true}
{{- end }}
{{- end -}}

{{- define "common.gatewayVolumes" -}}
{{ include "common.volumes" (list . false) }}
{{- with .Values.nats.credentialsSecret }}
- name: nats
  secret:
    secretName: {{ quote . }}
    defaultMode: 288
{{- end }}
{{- end -}}

{{- define "common.gatewayEnv" -}}
{{- include "common.withEnv" (list . (include "common.gatewayEnv.chart" .) .Values.gateway.env) -}}
{{- end -}}

{{/* What only the gateway itself is told, and not the check before it. */}}
{{- define "common.serveEnv" -}}
{{- $all := printf "%s%s" (include "common.gatewayEnv.chart" .) (include "common.serveEnv.chart" .) -}}
{{- include "common.withEnv" (list . $all .Values.gateway.env) -}}
{{- end -}}

{{- define "common.serveEnv.chart" }}
{{- if ne .Values.buffer.type "none" }}
- name: KC_BACKLOG_RATE
  value: {{ .Values.gateway.backlogRate | int | quote }}
{{- end }}
{{- end -}}

{{/* Where traces go, in OpenTelemetry's own variables. */}}
{{- define "common.tracingEnv" }}
{{- $tracing := .Values.tracing -}}
{{- with $tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ ternary "parentbased_traceidratio" "traceidratio" $tracing.sampleSenders }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ include "common.scalar" $tracing.sampleRatio | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "k8s.namespace.name=%s,service.namespace=%s" $.Release.Namespace $.fullname | quote }}
{{- if $tracing.headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: {name: {{ quote $tracing.headersSecret.name }}, key: {{ quote $tracing.headersSecret.key }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "common.gatewayEnv.chart" -}}
{{ include "common.paramsEnv" . }}
{{- $payloads := toString .Values.gateway.validatePayload }}
{{- if $payloads }}
- name: KC_VALIDATE_PAYLOAD
  value: {{ ternary "off" $payloads (eq $payloads "false") | quote }}
{{- end }}
- name: KC_BUFFER
  value: {{ .Values.buffer.type }}
{{- if eq .Values.buffer.type "disk" }}
- name: KC_BUFFER_DIR
  value: /var/lib/connector
{{- end }}
{{- if eq .Values.buffer.type "jetstream" }}
- name: KC_BUFFER_URL
  value: {{ .Values.buffer.jetstream.url | quote }}
- name: KC_BUFFER_STREAM
  value: {{ printf "%s-%s" .Release.Namespace .fullname }}
- name: KC_BUFFER_REPLICAS
  value: {{ .Values.buffer.jetstream.replicas | int | quote }}
- name: KC_BUFFER_MAX_BYTES
  value: {{ printf "%sB" .Values.buffer.jetstream.size | quote }}
{{- end }}
{{- if .Values.nats.credentialsSecret }}
- name: KC_NATS_CREDENTIALS
  value: {{ printf "/etc/connector/nats/%s" .Values.nats.key | quote }}
{{- end }}
{{- include "common.sinkEnv" . }}
{{- include "common.hostsEnv" . }}
{{- include "common.allowEnv" . }}
{{- include "common.tracingEnv" . }}
{{- end -}}

{{/* Hosts that the values give to what the gateway tells apart by host. */}}
{{- define "common.hostsEnv" -}}
{{- $c := . -}}
{{- $hosts := list -}}
{{- range $delivery := .definition.deliveries -}}
{{- if $delivery.mqtt -}}
{{- range $name := list $delivery.name (printf "%s-token" $delivery.name) -}}
{{- with get $c.Values.exposure.hosts $name -}}
{{- $hosts = append $hosts (printf "%s=%s" $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $hosts }}
- name: KC_HOSTS
  value: {{ join "," $hosts | quote }}
{{- end }}
{{- end -}}

{{- define "common.sinkEnv" }}
- name: KC_SINK_KIND
  value: {{ include "common.sinkKind" . }}
{{- with .Values.sink.url }}
- name: KC_SINK_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/*
Kyma since 2.12 takes CloudEvents under the names that subscriptions use; before that only the legacy route is safe
for every name. A cluster that shows neither is left to the gateway to find out.
*/}}
{{- define "common.sinkKind" -}}
{{- if ne .Values.sink.kind "auto" -}}
{{- .Values.sink.kind -}}
{{- else if include "common.has" (list . "eventing.kyma-project.io/v1alpha2/Subscription") -}}
kyma
{{- else if include "common.has" (list . "eventing.kyma-project.io/v1alpha1/Subscription") -}}
kyma-legacy
{{- else -}}
auto
{{- end -}}
{{- end -}}

{{/* Services: the public one, and one for the relay, which is never exposed. */}}
{{- define "common.services" -}}
{{- if include "common.hasGateway" . -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "common.gatewayName" . }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
spec:
  selector: {{- include "common.selector" (list . "gateway") | nindent 4 }}
  ports:
    - {name: http, port: 80, targetPort: http, protocol: TCP}
    # Metrics, for helm test; NetworkPolicies and Istio let nobody from outside in.
    - {name: http-admin, port: 8081, targetPort: http-admin, protocol: TCP}
{{- if .definition.relay }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "common.name" (list . "relay") }}
  labels: {{- include "common.labels" (list . "relay") | nindent 4 }}
spec:
  selector: {{- include "common.selector" (list . "gateway") | nindent 4 }}
  ports:
    - {name: http, port: 80, targetPort: http-relay, protocol: TCP}
{{- end }}
{{- end -}}
{{- end -}}

{{/* One replica at a time may be taken away on purpose, such as for a node's upgrade. */}}
{{- define "common.disruption" -}}
{{- if and (include "common.hasGateway" .) .Values.podDisruptionBudget.enabled -}}
apiVersion: {{ ternary "policy/v1" "policy/v1beta1" (eq "true" (include "common.since" (list . "1.21"))) }}
kind: PodDisruptionBudget
metadata:
  name: {{ include "common.gatewayName" . }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels: {{- include "common.selector" (list . "gateway") | nindent 6 }}
  {{- if include "common.since" (list . "1.27") }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
{{- end -}}
{{- end -}}
