{{/*
Start of all names: the release's name, at most 53 characters. Service names have no dots and start with a letter; a name
that has to be changed for that gets a hash, so that two releases never share one.
*/}}
{{- define "common.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name -}}
{{- $safe := replace "." "-" $name -}}
{{- if regexMatch "^[0-9]" $safe -}}
{{- $safe = printf "r%s" $safe -}}
{{- end -}}
{{- if or (ne $safe $name) (gt (len $safe) 53) -}}
{{- printf "%s-%s" ($safe | trunc 44 | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- else -}}
{{- $safe -}}
{{- end -}}
{{- end -}}

{{/* <release>-<suffix>, shortened with a hash where it is longer than the limit. Arguments: context, suffix, limit (default 63). */}}
{{- define "common.name" -}}
{{- $c := index . 0 -}}
{{- $suffix := index . 1 -}}
{{- $limit := 63 -}}
{{- if gt (len .) 2 -}}{{- $limit = index . 2 -}}{{- end -}}
{{- if gt (len $suffix) 30 -}}
{{- $suffix = printf "%s-%s" ($suffix | trunc 21 | trimSuffix "-") (sha256sum $suffix | trunc 8) -}}
{{- end -}}
{{- $full := printf "%s-%s" $c.fullname $suffix -}}
{{- if le (len $full) $limit -}}
{{- $full -}}
{{- else -}}
{{- $keep := int (sub (sub $limit 10) (len $suffix)) -}}
{{- printf "%s-%s-%s" ($c.fullname | trunc $keep | trimSuffix "-") (sha256sum $c.fullname | trunc 8) $suffix -}}
{{- end -}}
{{- end -}}

{{/* Name of an object outside the release's namespace: other namespaces may have a release of the same name. Arguments: context, suffix. */}}
{{- define "common.outsideName" -}}
{{- $c := index . 0 -}}
{{- printf "%s-%s-%s" ($c.fullname | trunc 40 | trimSuffix "-") (sha256sum (include "common.instance" $c) | trunc 8) (index . 1) -}}
{{- end -}}

{{/* The gateway's name. StatefulSets may have 52 characters, since their pods carry a hash in a label. */}}
{{- define "common.gatewayName" -}}
{{- include "common.name" (list . "gateway" 52) -}}
{{- end -}}

{{/* What this installation is called where several meet: in Kyma, at the system. */}}
{{- define "common.instance" -}}
{{- printf "%s/%s" .Release.Namespace .fullname -}}
{{- end -}}

{{/* Labels that never change. Arguments: context, component. */}}
{{- define "common.selector" -}}
{{- $c := index . 0 -}}
app.kubernetes.io/name: {{ $c.Chart.Name }}
app.kubernetes.io/instance: {{ $c.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels. Arguments: context, component. */}}
{{- define "common.labels" -}}
{{- $c := index . 0 -}}
{{ include "common.selector" . }}
app.kubernetes.io/version: {{ $c.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kyma-connectors
app.kubernetes.io/managed-by: {{ $c.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $c.Chart.Name $c.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/*
Labels of a pod: without versions, so that only a change of the pod itself starts it anew.
Arguments: context, component.
*/}}
{{- define "common.podLabels" -}}
{{ include "common.selector" . }}
app.kubernetes.io/part-of: kyma-connectors
{{- end -}}
