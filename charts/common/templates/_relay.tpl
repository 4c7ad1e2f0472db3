{{/*
What the relays want of Kyma: a Subscription each, whose sink is the relay's Service. Where the chart makes none, the
report of the Job shows it.
*/}}
{{- define "common.subscriptions" -}}
{{- $c := . -}}
{{- $version := include "common.subscriptionVersion" . -}}
{{- if and $version (include "common.hasGateway" .) -}}
{{- range $relay := .definition.relay }}
{{- with include "common.relayTypes" (list $c $relay) | fromJsonArray }}
---
{{ include (printf "common.subscription.%s" $version) (list $c $relay .) }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Version of the Subscriptions to make; nothing where none are made. Before v1alpha2 there were two kinds of the same name and version, which nothing tells apart: who has the right one says so. */}}
{{- define "common.subscriptionVersion" -}}
{{- if eq .Values.relay.subscription "auto" -}}
{{- if include "common.has" (list . "eventing.kyma-project.io/v1alpha2/Subscription") -}}v1alpha2{{- end -}}
{{- else if ne .Values.relay.subscription "none" -}}
{{- .Values.relay.subscription -}}
{{- end -}}
{{- end -}}

{{/* The event types of a relay, as a JSON array without repetitions. Arguments: context, relay. */}}
{{- define "common.relayTypes" -}}
{{- $c := index . 0 -}}
{{- $types := (index . 1).from.types -}}
{{- if not (kindIs "slice" $types) -}}{{- $types = list $types -}}{{- end -}}
{{- $found := list -}}
{{- range $type := $types -}}
{{- $source := regexReplaceAll `^=\s*params\(` (toString $type) "=param(" -}}
{{- range regexSplit "[,\n]" (include "common.text" (list $c $source "set relay.subscription to none, and make the Subscription that the Job's report shows")) -1 -}}
{{- with trim . -}}
{{- $found = append $found . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $found | uniq | toJson -}}
{{- end -}}

{{/* The Application whose events a relay wants. Arguments: context, relay. */}}
{{- define "common.relaySource" -}}
{{- $c := index . 0 -}}
{{- $next := "set relay.subscription to none, and make the Subscription that the Job's report shows" -}}
{{- include "common.text" (list $c (default "" (index . 1).from.source) $next) | default (include "common.application" $c) -}}
{{- end -}}

{{- define "common.subscriptionMeta" -}}
{{- $c := index . 0 -}}
metadata:
  name: {{ include "common.name" (list $c (printf "relay-%s" (index . 1).name)) }}
  labels: {{- include "common.labels" (list $c "relay") | nindent 4 }}
{{- end -}}

{{- define "common.relaySink" -}}
{{- $c := index . 0 -}}
{{- printf "http://%s.%s.svc.cluster.local%s" (include "common.name" (list $c "relay")) $c.Release.Namespace (index . 1).from.path -}}
{{- end -}}

{{/* As many events at a time as make a batch. */}}
{{- define "common.relayInFlight" -}}
{{- $batch := (index . 1).to.batch -}}
{{- $count := 10 -}}
{{- if $batch -}}{{- $count = int (default 100 $batch.count) -}}{{- end -}}
{{- min 100 (max 10 $count) -}}
{{- end -}}

{{- define "common.subscription.v1alpha2" -}}
apiVersion: eventing.kyma-project.io/v1alpha2
kind: Subscription
{{ include "common.subscriptionMeta" . }}
spec:
  sink: {{ include "common.relaySink" . | quote }}
  source: {{ include "common.relaySource" . | quote }}
  typeMatching: standard
  types: {{- toYaml (index . 2) | nindent 4 }}
  config:
    maxInFlightMessages: {{ include "common.relayInFlight" . | quote }}
{{- end -}}

{{- define "common.subscription.v1alpha1" -}}
{{- $application := regexReplaceAll "[^A-Za-z0-9]" (include "common.relaySource" .) "" -}}
apiVersion: eventing.kyma-project.io/v1alpha1
kind: Subscription
{{ include "common.subscriptionMeta" . }}
spec:
  sink: {{ include "common.relaySink" . | quote }}
  filter:
    filters:
      {{- range index . 2 }}
      - eventSource: {property: source, type: exact, value: ""}
        eventType: {property: type, type: exact, value: {{ printf "sap.kyma.custom.%s.%s" $application (include "common.relayExactType" .) | quote }}}
      {{- end }}
{{- end -}}

{{/* An event type as Kyma before 2.12 knows it: all segments before the last one and the version are joined. */}}
{{- define "common.relayExactType" -}}
{{- $segments := splitList "." . -}}
{{- $object := max 1 (sub (len $segments) 2) | int -}}
{{- join "" (slice $segments 0 $object) -}}
{{- range slice $segments $object -}}.{{ . }}{{- end -}}
{{- end -}}
