{{/*
The account of a registration Job and all that it may do: read and write its own objects by name, create what does not
exist yet, look at what Kyma there is. Rights to remove are given only where the Job's task is to remove.
A dict: c, job, remove, hook (the event whose hooks these are; empty for objects of the release).
*/}}
{{- define "common.rights" -}}
{{- $c := .c -}}
{{- $name := include "common.name" (list $c .job) -}}
{{- $outside := include "common.outsideName" (list $c .job) -}}
{{- $application := include "common.application" $c -}}
{{- $write := ternary "[get, update, delete]" "[get, update]" .remove -}}
{{- $gone := eq .job "delete" -}}
{{- $looks := eq .job "test" -}}
{{- if $looks -}}{{- $write = "[get]" -}}{{- end -}}
{{- /* Nothing is left of a Secret that is removed. */ -}}
{{- $secrets := ternary "[get, delete]" $write $gone -}}
{{- $annotations := "" -}}
{{- $bindings := "" -}}
{{- if .hook -}}
{{- $annotations = include "common.hookAnnotations" (list $c .hook -20 true) -}}
{{- $bindings = include "common.hookAnnotations" (list $c .hook -15 true) -}}
{{- end -}}
{{- $labels := include "common.labels" (list $c "registration") -}}
{{- $subject := printf "{kind: ServiceAccount, name: %s, namespace: %q}" $name $c.Release.Namespace -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
  {{- $annotations }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
  {{- $annotations }}
rules:
  {{- if not $looks }}
  - apiGroups: [""]
    resources: {{ ternary "[configmaps]" "[configmaps, secrets]" $gone }}
    verbs: [create]
  {{- end }}
  {{- if not $looks }}
  - apiGroups: [""]
    resources: [configmaps]
    resourceNames: [{{ include "common.name" (list $c "status") }}]
    verbs: {{ ternary "[get, update, delete]" "[get, update]" $gone }}
  {{- end }}
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ include "common.name" (list $c "state") }}]
    verbs: {{ ternary $secrets (ternary "[get]" "[get, update]" $looks) $gone }}
  {{- if $gone }}
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ include "common.name" (list $c "generated") }}]
    verbs: {{ $secrets }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
  {{- $bindings }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {{ $subject }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $outside }}
  namespace: {{ include "common.credentialsNamespace" $c | quote }}
  labels: {{- $labels | nindent 4 }}
  {{- $annotations }}
rules:
  {{- if not (or $gone $looks) }}
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
  {{- end }}
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: {{ include "common.secretNames" $c }}
    verbs: {{ $secrets }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $outside }}
  namespace: {{ include "common.credentialsNamespace" $c | quote }}
  labels: {{- $labels | nindent 4 }}
  {{- $bindings }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $outside }}}
subjects:
  - {{ $subject }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $outside }}
  labels: {{- $labels | nindent 4 }}
  {{- $annotations }}
rules:
  {{- if and (not (or $gone $looks)) $c.Values.registration.createApplication }}
  - apiGroups: [applicationconnector.kyma-project.io]
    resources: [applications]
    verbs: [create]
  {{- end }}
  - apiGroups: [applicationconnector.kyma-project.io]
    resources: [applications]
    resourceNames: [{{ $application | quote }}]
    verbs: {{ $write }}
  {{- include "common.detection" (list $c $gone) | nindent 2 }}
  {{- if or (and $looks (or $c.definition.events $c.definition.webhooks)) (and (not $gone) (include "common.followsSubscriptions" $c)) }}
  {{- include "common.subscribers" $c | nindent 2 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $outside }}
  labels: {{- $labels | nindent 4 }}
  {{- $bindings }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $outside }}}
subjects:
  - {{ $subject }}
{{- end -}}

{{/*
Looking at what Kyma there is. Without these the Job knows less, but works. Where credentials belong the chart says. Arguments:
context, whether it is only about where something is registered.
*/}}
{{- define "common.detection" -}}
{{- $backend := index . 1 -}}
{{- with index . 0 -}}
- apiGroups: [""]
  resources: [services]
  resourceNames:
    - application-registry-external-api
    {{- if not $backend }}
    - central-application-gateway
    - eventing-publisher-proxy
    - eventing-event-publisher-proxy
    {{- if not (include "common.has" (list . "eventing.kyma-project.io/v1alpha2/Subscription")) }}
    {{- $application := include "common.application" . }}
    - {{ printf "%s-event-service" $application | quote }}
    - {{ printf "app-%s-event-service" $application | quote }}
    - {{ printf "%s-event-service-external-api" $application | quote }}
    - event-publish-service
    {{- end }}
    {{- end }}
  verbs: [get]
{{- if not $backend }}
- apiGroups: [operator.kyma-project.io]
  resources: [eventings]
  resourceNames: [eventing]
  verbs: [get]
{{- end }}
{{- end -}}
{{- end -}}

{{/*
Looking at who subscribes to which events: by Subscriptions and, in Kyma 1.11 to 1.22, by Triggers. Where Kyma has the
Subscriptions of today, Triggers of a Knative of one's own are not looked at.
*/}}
{{- define "common.subscribers" -}}
- apiGroups: [eventing.kyma-project.io]
  resources: [subscriptions]
  verbs: [list]
{{- $triggers := false -}}
{{- range list "v1" "v1beta1" "v1alpha1" -}}
{{- if include "common.has" (list $ (printf "eventing.knative.dev/%s/Trigger" .)) -}}{{- $triggers = true -}}{{- end -}}
{{- end -}}
{{- if and $triggers (not (include "common.has" (list . "eventing.kyma-project.io/v1alpha2/Subscription"))) }}
- apiGroups: [eventing.knative.dev]
  resources: [triggers]
  verbs: [list]
{{- end -}}
{{- end -}}

{{/* "true" where webhooks follow the Subscriptions of the cluster. */}}
{{- define "common.followsSubscriptions" -}}
{{- range include "common.webhooks" . | fromJsonArray -}}
{{- if not (has .mode (list nil "" "static")) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* The definition's webhooks as a JSON list; a single one may stand for a list. */}}
{{- define "common.webhooks" -}}
{{- $webhooks := .definition.webhooks -}}
{{- if kindIs "slice" $webhooks -}}{{- toJson $webhooks -}}{{- else if $webhooks -}}{{- list $webhooks | toJson -}}{{- else -}}[]{{- end -}}
{{- end -}}

{{/*
Names of the Secrets with the credentials that Kyma's Application Gateway uses, as a list: one for the APIs that are called
with the system's credentials, one for each listed API with its own, a number of them for discovered APIs with their
own, and one for each one's request parameters.
*/}}
{{- define "common.secretNames" -}}
{{- $c := . -}}
{{- $prefix := include "common.instance" . | replace "/" "." -}}
{{- $names := list -}}
{{- range .definition.apis -}}
{{- $own := or .auth .requestParameters -}}
{{- if not $own -}}
{{- $names = append $names "system" -}}
{{- else if .discover -}}
{{- range $n := until (int $c.Values.registration.discoveredApis) -}}
{{- $names = append $names (printf "item-%d" $n) -}}
{{- end -}}
{{- else if ne .id "system" -}}
{{- $names = append $names .id -}}
{{- end -}}
{{- end -}}
{{- $secrets := list -}}
{{- range $names | uniq -}}
{{- $secrets = concat $secrets (list (printf "%s.%s" $prefix .) (printf "%s.%s.params" $prefix .)) -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end -}}
