{{/* A dashboard for Grafana's sidecar, which looks for ConfigMaps with a label. */}}
{{- define "common.dashboard" -}}
{{- $dashboard := .Values.metrics.dashboard -}}
{{- if and (include "common.hasGateway" .) $dashboard.enabled -}}
{{- $name := include "common.name" (list . "dashboard") -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "gateway") | nindent 4 }}
    {{- toYaml $dashboard.labels | nindent 4 }}
  {{- with $dashboard.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  {{ $name }}.json: {{ include "common.dashboardJSON" . | quote }}
{{- end -}}
{{- end -}}

{{- define "common.dashboardJSON" -}}
{{- $c := . -}}
{{- $source := dict "type" "prometheus" "uid" "${datasource}" -}}
{{- $panels := list -}}
{{- $y := 0 -}}
{{- $x := 0 -}}
{{- range $row := include "common.dashboardRows" . | fromYamlArray -}}
{{- if or (not $row.relay) $c.definition.relay -}}
{{- if gt $x 0 -}}{{- $y = add $y 8 -}}{{- $x = 0 -}}{{- end -}}
{{- $panels = append $panels (dict "type" "row" "title" $row.row "collapsed" false "panels" list "id" (add1 (len $panels)) "gridPos" (dict "h" 1 "w" 24 "x" 0 "y" $y)) -}}
{{- $y = add1 $y -}}
{{- range $panel := $row.panels -}}
{{- $targets := list -}}
{{- range $i, $query := $panel.queries -}}
{{- $expression := $query.expr | replace "SELECT" "namespace=\"$namespace\",pod=~\"$pod\"" | replace "GATEWAY_" "kyma_connectors_gateway_" | replace "RELAY_" "kyma_connectors_relay_" -}}
{{- $targets = append $targets (dict "refId" (printf "q%d" $i) "datasource" $source "expr" $expression "legendFormat" ($query.legend | replace "[" "{{" | replace "]" "}}")) -}}
{{- end -}}
{{- $panels = append $panels (dict "type" "timeseries" "title" $panel.title "description" $panel.about "id" (add1 (len $panels)) "datasource" $source "targets" $targets
      "gridPos" (dict "h" 8 "w" 8 "x" $x "y" $y) "fieldConfig" (dict "defaults" (dict "unit" $panel.unit "min" 0) "overrides" list) "options" (dict "tooltip" (dict "mode" "multi"))) -}}
{{- $x = add $x 8 -}}
{{- if ge $x 24 -}}{{- $x = 0 -}}{{- $y = add $y 8 -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $hidden := dict "type" "constant" "hide" 2 -}}
{{- $variables := list
      (dict "name" "datasource" "type" "datasource" "label" "Prometheus" "query" "prometheus")
      (merge (dict "name" "namespace" "query" .Release.Namespace) $hidden)
      (merge (dict "name" "pod" "query" (printf "%s-.*" (include "common.gatewayName" .))) $hidden) -}}
{{- dict "uid" (sha256sum (include "common.instance" .) | trunc 32) "title" (printf "%s (%s)" .definition.metadata.displayName (include "common.instance" .)) "tags" (list "kyma-connectors")
      "schemaVersion" 36 "editable" true "refresh" "30s" "time" (dict "from" "now-3h" "to" "now") "templating" (dict "list" $variables) "panels" $panels | toPrettyJson -}}
{{- end -}}

{{/*
What the dashboard shows. SELECT stands for the labels of this gateway's pods, GATEWAY_ and RELAY_ for the starts of metrics'
names, [label] for a label's value.
*/}}
{{- define "common.dashboardRows" -}}
- row: Events from the system
  panels:
    - title: Deliveries
      about: What senders heard. duplicate is a repetition; refused did not prove who sent it; unavailable was asked to come again.
      unit: reqps
      queries: [{expr: "sum by (route, outcome) (rate(GATEWAY_deliveries_total{SELECT}[5m]))", legend: "[route] [outcome]"}]
    - title: Time to the answer
      about: From the last byte of a delivery to its answer.
      unit: s
      queries:
        - {expr: "histogram_quantile(0.5, sum by (le) (rate(GATEWAY_delivery_duration_seconds_bucket{SELECT}[5m])))", legend: median}
        - {expr: "histogram_quantile(0.99, sum by (le) (rate(GATEWAY_delivery_duration_seconds_bucket{SELECT}[5m])))", legend: 99 %}
    - title: Refused by verification
      about: Wrong or absent credentials and signatures, by reason. limited are those that guessed too often.
      unit: reqps
      queries: [{expr: "sum by (route, reason) (rate(GATEWAY_verification_failures_total{SELECT}[5m]))", legend: "[route] [reason]"}]
    - title: Events by type
      about: Accepted events. other is what the event catalog does not know.
      unit: cps
      queries: [{expr: "sum by (type) (rate(GATEWAY_event_types_total{SELECT}[5m]))", legend: "[type]"}]
    - title: Not taken
      about: Deliveries that were answered 503 because buffer or target did not take them.
      unit: reqps
      queries: [{expr: "sum by (reason) (rate(GATEWAY_append_failures_total{SELECT}[5m]))", legend: "[reason]"}]
    - title: Being handled
      about: Deliveries at this moment, and open connections.
      unit: short
      queries:
        - {expr: "sum(GATEWAY_in_flight{SELECT})", legend: deliveries}
        - {expr: "sum by (listener) (GATEWAY_connections{SELECT})", legend: "connections, [listener]"}
- row: Events to the target
  panels:
    - title: Publications
      about: By result; everything but ok is tried again or becomes a dead letter.
      unit: cps
      queries: [{expr: "sum by (sink, result) (rate(GATEWAY_publications_total{SELECT}[5m]))", legend: "[sink] [result]"}]
    - title: Time of a publication
      about: Until the target answers.
      unit: s
      queries:
        - {expr: "histogram_quantile(0.5, sum by (le) (rate(GATEWAY_publication_duration_seconds_bucket{SELECT}[5m])))", legend: median}
        - {expr: "histogram_quantile(0.99, sum by (le) (rate(GATEWAY_publication_duration_seconds_bucket{SELECT}[5m])))", legend: 99 %}
    - title: Target left alone
      about: 1 while the target failed so often that it is only tried from time to time.
      unit: short
      queries: [{expr: "max by (pod) (GATEWAY_sink_paused{SELECT})", legend: "[pod]"}]
    - title: Waiting
      about: Deliveries in the buffer that have events to publish, and how fast a backlog may go at most.
      unit: short
      queries:
        - {expr: "sum by (pod) (GATEWAY_buffer_deliveries{SELECT})", legend: "[pod]"}
        - {expr: "sum(GATEWAY_backlog_rate{SELECT})", legend: backlog per second at most}
    - title: Buffer
      about: What events and dead letters take, and how much they may.
      unit: bytes
      queries:
        - {expr: "sum by (pod) (GATEWAY_buffer_bytes{SELECT})", legend: "[pod]"}
        - {expr: "max(GATEWAY_buffer_capacity_bytes{SELECT})", legend: limit}
    - title: Dead letters
      about: Events that wait for a person, and records that cannot be read any more.
      unit: short
      queries:
        - {expr: "sum by (pod) (GATEWAY_dead_letters{SELECT})", legend: "[pod]"}
        - {expr: "sum(increase(GATEWAY_damaged_records_total{SELECT}[$__range]))", legend: damaged records}
- row: Events to the system
  relay: true
  panels:
    - title: Relayed
      about: sent was taken, failed is tried again, rejected will never be taken.
      unit: cps
      queries: [{expr: "sum by (relay, result) (rate(RELAY_results_total{SELECT}[5m]))", legend: "[relay] [result]"}]
    - title: Calls to the system
      about: By result, and how many events one carries.
      unit: short
      queries:
        - {expr: "sum by (relay, result) (rate(RELAY_calls_total{SELECT}[5m]))", legend: "[relay] [result]"}
        - {expr: "sum by (relay) (rate(RELAY_call_events_sum{SELECT}[5m])) / sum by (relay) (rate(RELAY_call_events_count{SELECT}[5m]))", legend: "[relay] events in a call"}
    - title: Waiting for the system
      about: Deliveries that wait, and dead letters.
      unit: short
      queries:
        - {expr: "sum by (relay) (RELAY_buffer_deliveries{SELECT})", legend: "[relay]"}
        - {expr: "sum by (relay) (RELAY_dead_letters{SELECT})", legend: "[relay] dead letters"}
- row: The process
  panels:
    - title: Ready
      about: 0 while a replica takes no deliveries; its /readyz says why.
      unit: short
      queries: [{expr: "min by (pod) (GATEWAY_ready{SELECT})", legend: "[pod]"}]
    - title: Memory
      about: Resident memory; files that are mapped count, too.
      unit: bytes
      queries: [{expr: "process_resident_memory_bytes{SELECT}", legend: "[pod]"}]
    - title: CPU
      about: Cores in use.
      unit: short
      queries: [{expr: "rate(process_cpu_seconds_total{SELECT}[5m])", legend: "[pod]"}]
{{- end -}}
