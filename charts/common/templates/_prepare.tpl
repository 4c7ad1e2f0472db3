{{/*
Makes the parameters that are generated, before anything that mounts them: a Job with an account of its own, and
what it needs before the release's own objects exist.
*/}}
{{- define "common.prepare" -}}
{{- if include "common.paramsOf" (list . "generated") -}}
{{- $events := "pre-install,pre-upgrade,pre-rollback" -}}
{{- $name := include "common.name" (list . "prepare") -}}
{{- $definition := include "common.name" (list . "definition") -}}
{{- if .Values.registration.hooks -}}
{{- $definition = $name -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $definition }}
  labels: {{- include "common.labels" (list . "prepare") | nindent 4 }}
  {{- include "common.hookAnnotations" (list . $events -20 true) }}
data: {{- include "common.data" .files | nindent 2 }}
---
{{- end }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "prepare") | nindent 4 }}
  {{- include "common.hookAnnotations" (list . $events -20 true) }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "prepare") | nindent 4 }}
  {{- include "common.hookAnnotations" (list . $events -20 true) }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ include "common.name" (list . "generated") }}]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "prepare") | nindent 4 }}
  {{- include "common.hookAnnotations" (list . $events -15 true) }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ quote .Release.Namespace }}}
{{- if .Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  labels: {{- include "common.labels" (list . "prepare") | nindent 4 }}
  {{- include "common.hookAnnotations" (list . $events -20 true) }}
spec:
  podSelector:
    matchLabels: {{- include "common.selector" (list . "prepare") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "common.egressBasics" . | nindent 4 }}
    {{- with include "common.egressExtra" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}
---
{{ $env := include "common.prepareEnv" . -}}
{{ $pod := include "common.jobPod" (dict "c" . "command" "prepare" "account" $name "component" "prepare" "env" $env
      "mounts" "- {name: definition, mountPath: /etc/connector/definition, readOnly: true}"
      "volumes" (include "common.definitionVolume" (list . $definition false))) -}}
{{ include "common.job" (dict "c" . "name" "prepare" "component" "prepare" "pod" $pod "limits" .Values.registration
      "hook" (dict "events" $events "weight" -10 "remove" true)) }}
{{- end -}}
{{- end -}}

{{- define "common.prepareEnv" -}}
{{- include "common.withEnv" (list . (include "common.prepareEnv.chart" .) .Values.registration.env) -}}
{{- end -}}

{{- define "common.prepareEnv.chart" -}}
- name: KC_CONNECTOR
  value: /etc/connector/definition/connector.yaml
- name: KC_SECRET
  value: {{ include "common.name" (list . "generated") }}
- name: KC_NAMESPACE
  value: {{ quote .Release.Namespace }}
{{- with include "common.provided" . }}
- name: KC_PROVIDED
  value: {{ . | quote }}
{{- end }}
{{- end -}}
