{{/*
What the cluster can do. A live cluster lists kinds ("apps/v1/Deployment"); without one (helm template) Helm lists
group versions only, and a current Kyma is assumed, unless a version of APIRule is named on the command line
or in the values. With it goes a current Kubernetes, where Helm does not know better than its placeholder v1.20.0.
*/}}
{{- define "common.capabilities" -}}
{{- $seen := .Capabilities.APIVersions -}}
{{- $live := $seen.Has "apps/v1/Deployment" -}}
{{- $apis := .Values.capabilities.apiVersions -}}
{{- $named := false -}}
{{- range $version := list "v2" "v2alpha1" "v1beta1" "v1alpha1" -}}
{{- $kind := printf "gateway.kyma-project.io/%s/APIRule" $version -}}
{{- if or ($seen.Has $kind) (has $kind $apis) -}}
{{- $named = true -}}
{{- end -}}
{{- end -}}
{{- $kube := .Values.capabilities.kubeVersion | default .Capabilities.KubeVersion.Version | default "v1.20.0" -}}
{{- if not (or $live $named) -}}
{{- if eq $kube "v1.20.0" -}}
{{- $kube = "v1.30.0" -}}
{{- end -}}
{{- $apis = concat $apis (list
      "gateway.kyma-project.io/v2/APIRule"
      "security.istio.io/v1/AuthorizationPolicy"
      "eventing.kyma-project.io/v1alpha2/Subscription"
      "operator.kyma-project.io/v1alpha1/ApplicationConnector") -}}
{{- end -}}
{{- $_ := set . "live" $live -}}
{{- $_ := set . "apis" $apis -}}
{{- $_ := set . "kube" $kube -}}
{{- end -}}

{{/* Whether the cluster has a kind: "true" or nothing. Arguments: context, group/version/kind. */}}
{{- define "common.has" -}}
{{- $c := index . 0 -}}
{{- if or ($c.Capabilities.APIVersions.Has (index . 1)) (has (index . 1) $c.apis) -}}true{{- end -}}
{{- end -}}

{{/* Whether Kubernetes is at least of a version: "true" or nothing. Arguments: context, version such as 1.21. */}}
{{- define "common.since" -}}
{{- if semverCompare (printf ">=%s.0-0" (index . 1)) (index . 0).kube -}}true{{- end -}}
{{- end -}}
