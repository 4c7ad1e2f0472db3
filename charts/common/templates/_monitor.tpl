{{/* For the Prometheus operator: a Service for the admin port and a ServiceMonitor. */}}
{{- define "common.monitor" -}}
{{- $monitor := .Values.metrics.serviceMonitor -}}
{{- if and (include "common.hasGateway" .) $monitor.enabled -}}
{{- $name := include "common.name" (list . "metrics") -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "metrics") | nindent 4 }}
spec:
  clusterIP: None
  selector: {{- include "common.selector" (list . "gateway") | nindent 4 }}
  ports:
    - {name: http-metrics, port: 8081, targetPort: http-admin, protocol: TCP}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "common.gatewayName" . }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels: {{- include "common.selector" (list . "metrics") | nindent 6 }}
  endpoints:
    - port: http-metrics
      path: /metrics
      interval: {{ $monitor.interval }}
{{- end -}}
{{- end -}}
