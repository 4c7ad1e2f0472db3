{{/* For the Prometheus operator: what somebody should know of before a sender complains. */}}
{{- define "common.alerts" -}}
{{- $c := . -}}
{{- $alerts := .Values.metrics.alerts -}}
{{- if and (include "common.hasGateway" .) $alerts.enabled -}}
{{- $select := printf "namespace=%q,pod=~%q" .Release.Namespace (printf "%s-.*" (include "common.gatewayName" .)) -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "common.gatewayName" . }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
    {{- with $alerts.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
    - name: {{ printf "%s.rules" (include "common.gatewayName" .) }}
      rules:
        {{- range include "common.alertRules" . | fromYamlArray }}
        {{- if or (not .relay) $c.definition.relay }}
        - alert: {{ .alert }}
          expr: {{ .expr | replace "SELECT" $select | replace "GATEWAY_" "kyma_connectors_gateway_" | replace "RELAY_" "kyma_connectors_relay_" | quote }}
          for: {{ .for }}
          labels:
            severity: {{ .severity }}
            connector: {{ $c.definition.metadata.name }}
            release: {{ $c.Release.Name | quote }}
          annotations:
            summary: {{ .summary | replace "[" "{{ $labels." | replace "]" " }}" | quote }}
            runbook: {{ .runbook | quote }}
        {{- end }}
        {{- end }}
{{- end -}}
{{- end -}}

{{/* SELECT, GATEWAY_, RELAY_ and [label] as for the dashboard. */}}
{{- define "common.alertRules" -}}
- alert: ConnectorGatewayGone
  expr: "absent(GATEWAY_ready{SELECT})"
  for: 10m
  severity: critical
  summary: No replica of the gateway is seen, so that the system's events are not taken.
  runbook: "kubectl get pods of the gateway: whether they run, and what ended them; then whether Prometheus may reach port 8081 (networkPolicy.metricsFrom, metrics.serviceMonitor)."
- alert: ConnectorGatewayNotReady
  expr: "GATEWAY_ready{SELECT} == 0"
  for: 10m
  severity: critical
  summary: "[pod] takes no deliveries."
  runbook: "GET /readyz at port 8081 of the pod names what is wrong, and its log since when: usually a volume that is full or cannot be written to."
- alert: ConnectorTargetPaused
  expr: "max by (namespace) (GATEWAY_sink_paused{SELECT}) == 1"
  for: 15m
  severity: warning
  summary: The target of the events does not take them.
  runbook: "The result in kyma_connectors_gateway_publications_total says why: connection or timeout, look at Kyma's event publisher and at NetworkPolicies; full (507), at the storage of Kyma's eventing; unauthorized or misconfigured, at sink.* in the values. With a buffer events wait and nothing is lost while it has room."
- alert: ConnectorDeliveriesNotTaken
  expr: "sum by (namespace, reason) (rate(GATEWAY_append_failures_total{SELECT}[10m])) > 0"
  for: 10m
  severity: critical
  summary: "Senders are asked to come again ([reason]); some of them give up after a while."
  runbook: "full: give the buffer more room, or the target more capacity; draining: a replica stopped; anything else: look at the volume of the buffer (the log tells what it answers) or, without one, at the target as for ConnectorTargetPaused. Where this happens often, buffer.type disk takes what the target cannot."
- alert: ConnectorBufferFillsUp
  expr: "GATEWAY_buffer_bytes{SELECT} / (GATEWAY_buffer_capacity_bytes{SELECT} > 0) > 0.8"
  for: 10m
  severity: warning
  summary: "The buffer of [pod] is more than four fifths full; once it is full, deliveries are answered 503."
  runbook: "See whether the target takes events (ConnectorTargetPaused) and whether dead letters take the room (event-gateway deadletters list in the pod, then replay or drop them); otherwise enlarge the volume."
- alert: ConnectorDeadLetters
  expr: "sum by (namespace) (GATEWAY_dead_letters{SELECT}) > 0"
  for: 15m
  severity: warning
  summary: Events were put aside, because they cannot be mapped or the target will never take them.
  runbook: "event-gateway deadletters list in the pod says which and why; mend the cause (the definition, the size, the target), then deadletters replay, or drop what nobody needs. They are erased at --dead-letter-max-age."
- alert: ConnectorDeadLettersErased
  expr: "sum by (namespace) (increase(GATEWAY_dead_letters_expired_total{SELECT}[1h])) > 0"
  for: 0m
  severity: critical
  summary: Dead letters were erased because of their age.
  runbook: "Look at the rest of them before they are erased, too (event-gateway deadletters list in the pod); the sender may still have those that are gone."
- alert: ConnectorRecordsDamaged
  expr: "sum by (namespace) (increase(GATEWAY_damaged_records_total{SELECT}[1h])) > 0"
  for: 0m
  severity: critical
  summary: The buffer has records that cannot be read any more; the volume changes what is written to it.
  runbook: "The log names them. Move the buffer to another volume; event-gateway buffer salvage saves what can be read when the gateway does not start."
- alert: ConnectorSendersRefused
  expr: "sum by (namespace, route) (rate(GATEWAY_deliveries_total{SELECT,outcome=~\"refused|limited\"}[15m])) / sum by (namespace, route) (rate(GATEWAY_deliveries_total{SELECT}[15m])) > 0.1"
  for: 15m
  severity: warning
  summary: "More than a tenth of the deliveries of [route] do not prove who sends them."
  runbook: "kyma_connectors_gateway_verification_failures_total tells the reason. After a rotation the system may still sign with the old secret: put both in place for a while. Otherwise somebody is guessing."
- alert: ConnectorSenderBlocked
  expr: "sum by (namespace, route) (increase(GATEWAY_sessions_ended_total{SELECT,reason=\"refused\"}[15m])) > 2"
  for: 15m
  severity: critical
  summary: "A sender of [route] repeats a message that cannot be used, and what is behind it waits."
  runbook: "The gateway's log says what is wrong with it. With buffer.type disk it becomes a dead letter and the sender goes on; otherwise mend the definition or the target, or let the definition ignore such messages."
- alert: ConnectorEventsLate
  expr: "histogram_quantile(0.99, sum by (namespace, le) (rate(GATEWAY_event_age_seconds_bucket{SELECT}[10m]))) > 30"
  for: 15m
  severity: warning
  summary: One in a hundred events reaches the target more than half a minute after its arrival.
  runbook: "After an outage this is the backlog and ends by itself; kyma_connectors_gateway_buffer_deliveries falls. If it does not, the target is slower than the system: raise gateway.backlogRate or gateway.replicas, or the target's capacity."
- alert: ConnectorParametersNotRead
  expr: "sum by (namespace) (increase(GATEWAY_reloads_total{SELECT,result=\"failed\"}[15m])) > 0"
  for: 0m
  severity: warning
  summary: Changed parameters or secrets cannot be used; the gateway goes on with the old ones.
  runbook: "The gateway's log says what is wrong with them; correct the Secret or ConfigMap, and they are read within seconds."
- alert: ConnectorSystemPaused
  relay: true
  expr: "max by (namespace, relay) (RELAY_sink_paused{SELECT}) == 1"
  for: 15m
  severity: warning
  summary: "The system does not take the events of relay [relay]."
  runbook: "event-gateway check --system in the pod says whether it answers, the result in kyma_connectors_relay_calls_total why not: unauthorized, look at the credentials; otherwise at the system."
- alert: ConnectorRelayDeadLetters
  relay: true
  expr: "sum by (namespace, relay) (RELAY_dead_letters{SELECT}) > 0"
  for: 15m
  severity: warning
  summary: "Events for the system were put aside by relay [relay]."
  runbook: "event-gateway deadletters list --relay NAME in the pod says which and why; mend the cause, then replay or drop them."
{{- end -}}
