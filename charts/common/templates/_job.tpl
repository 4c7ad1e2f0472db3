{{/*
The pod of a registration Job. A dict:
  c, command, account   context, what registration-job does, service account
  component, env        component label, the command's own variables as YAML
  volumes, mounts       as YAML
*/}}
{{- define "common.jobPod" -}}
{{- $c := .c -}}
metadata:
  labels: {{- include "common.podLabels" (list $c .component) | nindent 4 }}
    {{- include "common.inject" "false" | nindent 4 }}
  annotations: {{- include "common.inject" "false" | nindent 4 }}
    {{- with include "common.seccompAnnotation" $c }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  {{- include "common.podSpec" (list $c .account true) | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: registration-job
      args: [{{ .command }}]
      {{- include "common.container" (list $c "registrationJob" $c.Values.registration.resources) | nindent 6 }}
      env:
        {{- .env | nindent 8 }}
      volumeMounts:
        {{- .mounts | nindent 8 }}
  volumes:
    {{- .volumes | nindent 4 }}
{{- end -}}

{{/*
The specification of a registration Job around its pod: a configuration error (exit code 2) ends it at once, an evicted
pod does not count. Arguments: context, pod, limits {backoffLimit, activeDeadlineSeconds}.
*/}}
{{- define "common.jobSpec" -}}
{{- $c := index . 0 -}}
{{- $limits := index . 2 -}}
backoffLimit: {{ int $limits.backoffLimit }}
activeDeadlineSeconds: {{ int $limits.activeDeadlineSeconds }}
{{- if include "common.since" (list $c "1.26") }}
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes: {containerName: registration-job, operator: In, values: [2]}
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
{{- end }}
template: {{- index . 1 | nindent 2 }}
{{- end -}}

{{/*
A registration Job. As a hook it has a fixed name and cleans up after itself. As a plain Job it has a new name whenever
it has something new to do, since a Job cannot be changed, and it stays, so that nobody makes it again.
A dict: c, name, component, pod, hook (arguments of common.hook after the context), limits.
*/}}
{{- define "common.job" -}}
{{- $c := .c -}}
{{- $spec := include "common.jobSpec" (list $c .pod .limits) -}}
{{- $suffix := .name -}}
{{- if not $c.Values.registration.hooks -}}
{{- $suffix = printf "%s-%s" .name (printf "%s\n%s" $spec (include "common.checksum" $c) | sha256sum | trunc 8) -}}
{{- end -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.name" (list $c $suffix) }}
  labels: {{- include "common.labels" (list $c .component) | nindent 4 }}
  {{- with include "common.hook" (list $c .hook.events .hook.weight .hook.remove) }}
  annotations: {{- . | nindent 4 }}
    # Helm 3.18 prints what the pod says before it removes it: why it failed, and what an uninstallation had to leave at the system.
    helm.sh/hook-output-log-policy: {{ ternary "hook-succeeded,hook-failed" "hook-failed" (eq $.name "delete") }}
  {{- end }}
spec:
  {{- $spec | nindent 2 }}
  {{- if $c.Values.registration.hooks }}
  ttlSecondsAfterFinished: {{ int $c.Values.registration.ttlSecondsAfterFinished }}
  {{- end }}
{{- end -}}
