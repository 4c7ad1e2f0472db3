{{/* The image of a component, by digest or tag. Arguments: context, key below images. */}}
{{- define "common.image" -}}
{{- $c := index . 0 -}}
{{- $images := $c.Values.images -}}
{{- $image := get $images (index . 1) -}}
{{- $name := trimPrefix "/" (printf "%s/%s" (trimSuffix "/" $images.registry) $image.repository) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default $images.tag | default $c.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
