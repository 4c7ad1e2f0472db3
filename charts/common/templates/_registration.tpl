{{/* Registers the APIs and events: a Job after install, upgrade and rollback, and a CronJob that repeats it. */}}
{{- define "common.registration" -}}
{{- if .Values.registration.enabled -}}
{{- $registration := .Values.registration -}}
{{- $policy := include "common.policy" . -}}
{{ include "common.rights" (dict "c" . "job" "apply" "remove" (eq $policy "sync") "hook" "") }}
---
{{ include "common.registrationJob" (dict "c" . "job" "apply" "policy" $registration.policy "hook" (dict "events" "post-install,post-upgrade,post-rollback" "weight" 0 "remove" true)) }}
{{- if $registration.reconcile.enabled }}
---
{{- $remove := and (eq $policy "sync") $registration.reconcile.allowDelete -}}
{{- $said := $registration.policy -}}
{{- if and (eq $policy "sync") (not $remove) -}}{{- $said = "upsert" -}}{{- end }}
{{ include "common.rights" (dict "c" . "job" "reconcile" "remove" $remove "hook" "") }}
---
apiVersion: {{ ternary "batch/v1" "batch/v1beta1" (eq "true" (include "common.since" (list . "1.21"))) }}
kind: CronJob
metadata:
  name: {{ include "common.name" (list . "reconcile" 52) }}
  labels: {{- include "common.labels" (list . "registration") | nindent 4 }}
spec:
  schedule: {{ $registration.reconcile.schedule | default (include "common.schedule" .) | quote }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 2
  jobTemplate:
    metadata:
      labels: {{- include "common.labels" (list . "registration") | nindent 8 }}
    spec:
      {{- include "common.jobSpec" (list . (include "common.registrationPod" (dict "c" . "job" "reconcile" "command" "apply" "policy" $said)) $registration) | nindent 6 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Takes back what was registered, before the release is removed. It has rights only while it runs. */}}
{{- define "common.delete" -}}
{{- if and .Values.registration.enabled .Values.registration.hooks -}}
{{ include "common.rights" (dict "c" . "job" "delete" "remove" true "hook" "pre-delete") }}
---
{{ include "common.registrationJob" (dict "c" . "job" "delete" "policy" "" "hook" (dict "events" "pre-delete" "weight" -5 "remove" true)) }}
{{- end -}}
{{- end -}}

{{/* A dict: c, job (name and command), policy, hook. */}}
{{- define "common.registrationJob" -}}
{{- $pod := include "common.registrationPod" (dict "c" .c "job" .job "command" .job "policy" .policy) -}}
{{ include "common.job" (dict "c" .c "name" .job "component" "registration" "pod" $pod "hook" .hook "limits" .c.Values.registration) }}
{{- end -}}

{{/* A dict: c, job, command, policy. */}}
{{- define "common.registrationPod" -}}
{{ include "common.jobPod" (dict "c" .c "command" .command "account" (include "common.name" (list .c .job)) "component" "registration"
      "env" (include "common.registrationEnv" .) "mounts" (include "common.mounts" .c) "volumes" (include "common.volumes" (list .c (eq .job "delete")))) }}
{{- end -}}

{{/* A dict: c, command, policy. */}}
{{- define "common.registrationEnv" -}}
{{- include "common.withEnv" (list .c (include "common.registrationEnv.chart" .) .c.Values.registration.env) -}}
{{- end -}}

{{- define "common.registrationEnv.chart" -}}
{{- $c := .c -}}
{{- $registration := $c.Values.registration -}}
{{- include "common.paramsEnv" $c }}
- name: KC_INSTANCE
  value: {{ include "common.instance" $c }}
- name: KC_NAMESPACE
  value: {{ quote $c.Release.Namespace }}
- name: KC_CREDENTIALS_NAMESPACE
  value: {{ include "common.credentialsNamespace" $c | quote }}
- name: KC_BACKEND
  value: {{ $registration.backend }}
{{- with $registration.registryUrl }}
- name: KC_REGISTRY_URL
  value: {{ . | quote }}
{{- end }}
{{- include "common.allowEnv" $c }}
- name: KC_STATUS_CONFIGMAP
  value: {{ include "common.name" (list $c "status") }}
- name: KC_STATE_SECRET
  value: {{ include "common.name" (list $c "state") }}
- name: KC_GENERATED_SECRET
  value: {{ include "common.name" (list $c "generated") }}
- name: KC_TERMINATION_LOG
  value: /dev/termination-log
- name: KC_TIMEOUT
  value: {{ $registration.timeout | quote }}
{{- if or (ne .command "delete") $c.definition.webhooks }}
{{- with include "common.callbackBase" $c }}
- name: KC_CALLBACK_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if ne .command "delete" }}
- name: KC_PARALLEL
  value: {{ $registration.parallel | int | quote }}
{{- with include "common.shownSecret" $c }}
- name: KC_CREDENTIALS_SECRET
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if eq .command "apply" }}
{{- with .policy }}
- name: KC_POLICY
  value: {{ . }}
{{- end }}
- name: KC_FAIL_ON
  value: {{ $registration.failOn }}
- name: KC_CREATE_APPLICATION
  value: {{ $registration.createApplication | quote }}
{{- if and $c.definition.webhooks (include "common.hasGateway" $c) }}
# Kubernetes takes up to a minute and a half to hand a Secret to running pods, and the gateway looks every ten seconds.
- name: KC_WEBHOOK_WAIT
  value: 2m
{{- end }}
{{- end }}
{{- end -}}

{{/* Addresses of the system that are not public. */}}
{{- define "common.allowEnv" -}}
{{- with .Values.system.allowAddresses }}
- name: KC_ALLOW_ADDRESS
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{/* Which changes are made: as the operator says, else as the definition does. */}}
{{- define "common.policy" -}}
{{- .Values.registration.policy | default .definition.policy | default "upsert" -}}
{{- end -}}

{{/* The Secret that the report may point to for a secret parameter: the only one there is, with the parameter's name as its key. */}}
{{- define "common.shownSecret" -}}
{{- $own := include "common.paramsOf" (list . "secret") -}}
{{- $kept := include "common.paramsOf" (list . "existing") -}}
{{- if and $own (not $kept) -}}
{{- include "common.name" (list . "credentials") -}}
{{- else if and $kept (not $own) -}}
{{- $same := true -}}
{{- range $name, $param := .params -}}
{{- if and (eq $param.place "existing") (eq $param.kind "secret") (ne $param.key $name) -}}{{- $same = false -}}{{- end -}}
{{- end -}}
{{- if $same -}}{{- .Values.credentials.existingSecret -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every 6 hours, at a minute of the release's own: many releases do not run at once. */}}
{{- define "common.schedule" -}}
{{- $digits := regexReplaceAll "[^0-9]" (include "common.instance" . | sha256sum) "" | trunc 4 -}}
{{- printf "%d */6 * * *" (mod (int $digits) 60) -}}
{{- end -}}

{{/*
Where Kyma's Application Gateway reads Secrets: kyma-integration before Kyma 2.10, kyma-system since. Subscription v1alpha2
came with 2.12, so 2.10 and 2.11 have to be told by registration.credentialsNamespace.
*/}}
{{- define "common.credentialsNamespace" -}}
{{- if .Values.registration.credentialsNamespace -}}
{{- .Values.registration.credentialsNamespace -}}
{{- else if or (include "common.has" (list . "operator.kyma-project.io/v1alpha1/ApplicationConnector")) (include "common.has" (list . "eventing.kyma-project.io/v1alpha2/Subscription")) -}}
kyma-system
{{- else if include "common.has" (list . "applicationconnector.kyma-project.io/v1alpha1/Application") -}}
kyma-integration
{{- else -}}
kyma-system
{{- end -}}
{{- end -}}
