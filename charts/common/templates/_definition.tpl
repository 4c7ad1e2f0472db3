{{/* Reads files/**: the definition and the documents that it names. */}}
{{- define "common.definition" -}}
{{- $definition := .Files.Get "files/connector.yaml" | fromYaml -}}
{{- with get $definition "Error" -}}
{{- fail (printf "files/connector.yaml cannot be read: %s" .) -}}
{{- end -}}
{{- if not $definition.parameters -}}
{{- fail "files/connector.yaml is missing, empty or without parameters: it is the definition that this chart installs" -}}
{{- end -}}
{{- $files := dict -}}
{{- $items := list -}}
{{- $size := 0 -}}
{{- $files_ := .Files -}}
{{- range $path, $_ := .Files.Glob "files/**" -}}
{{- $content := $files_.Get $path -}}
{{- $name := trimPrefix "files/" $path -}}
{{- $key := replace "/" "__" $name -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" $key) -}}
{{- fail (printf "%s: a file name may have letters, digits, dots, dashes and underscores only" $path) -}}
{{- end -}}
{{- $_ := set $files $key $content -}}
{{- $items = append $items (dict "key" $key "path" $name) -}}
{{- $size = add $size (len $content) -}}
{{- end -}}
{{- if gt (int $size) 1000000 -}}
{{- fail (printf "files/ holds %d bytes, more than a ConfigMap can: shorten a specification or name it by URL" (int $size)) -}}
{{- end -}}
{{- $_ := set . "definition" $definition -}}
{{- $_ := set . "files" $files -}}
{{- $_ := set . "items" $items -}}
{{- end -}}

{{/*
The parameters: where each value comes from.
  config     from a form field, into a ConfigMap
  secret     from a form field, into the release's Secret
  existing   from the operator's Secret, under the key in "key"
  generated  made once by the cluster, where the operator gave none
  none       nowhere: the definition's default holds, or there is none
*/}}
{{- define "common.params" -}}
{{- $c := . -}}
{{- $params := dict -}}
{{- $existing := .Values.credentials.existingSecret -}}
{{- $keys := .Values.credentials.keys -}}
{{- range $name, $parameter := .definition.parameters -}}
{{- $value := include "common.scalar" (get $c.Values $name) -}}
{{- $key := get $keys $name -}}
{{- $isSecret := eq $parameter.kind "secret" -}}
{{- if and $isSecret (ne $value "") (eq (trim $value) "") -}}
{{- include "common.problem" (list $c (printf "%s is blank: a secret needs a value" $name)) -}}
{{- else if not $isSecret -}}
{{- $value = trim $value -}}
{{- end -}}
{{- if and (eq $parameter.kind "url") (ne $value "") (not (regexMatch `(?i)^https://[^/?#@\s]+(/[^?#\s]*)?$` $value)) -}}
{{- include "common.problem" (list $c (printf "%s: want https://HOST, with a path at most: no user, query or fragment" $name)) -}}
{{- $value = "" -}}
{{- end -}}
{{- if and $existing $isSecret $parameter.required (not $key) (eq $value "") -}}
{{- $key = $name -}}
{{- end -}}
{{- $place := "none" -}}
{{- if and $key (ne $value "") -}}
{{- include "common.problem" (list $c (printf "%s is set, and credentials.keys.%s names a key of the Secret %s for it: keep one of the two" $name $name $existing)) -}}
{{- else if $key -}}
{{- $place = "existing" -}}
{{- else if and (ne $value "") $isSecret -}}
{{- $place = "secret" -}}
{{- else if ne $value "" -}}
{{- $place = "config" -}}
{{- else if $parameter.generate -}}
{{- $place = "generated" -}}
{{- else if and $parameter.required (not $parameter.default) -}}
{{- include "common.problem" (list $c (printf "%s is required (%s)%s" $name (default $name $parameter.title) (ternary ": set it, or keep it in a Secret and set credentials.existingSecret" ": set it" $isSecret))) -}}
{{- end -}}
{{- $_ := set $params $name (dict "kind" $parameter.kind "value" $value "place" $place "key" $key) -}}
{{- end -}}
{{- $_ := set . "params" $params -}}
{{- end -}}

{{/* The value of a form field as text; nothing for an empty one. */}}
{{- define "common.scalar" -}}
{{- if kindIs "slice" . -}}
{{- $texts := list -}}
{{- range . -}}{{- $texts = append $texts (include "common.scalar" .) -}}{{- end -}}
{{- join "\n" $texts -}}
{{- else if kindIs "float64" . -}}
{{- if eq . (floor .) -}}{{- printf "%.0f" . -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- else if not (kindIs "invalid" .) -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* Names of the parameters of a place, separated by commas. Arguments: context, place. */}}
{{- define "common.paramsOf" -}}
{{- $place := index . 1 -}}
{{- $names := list -}}
{{- range $name, $param := (index . 0).params -}}
{{- if eq $param.place $place -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{/* Names of the parameters that are generated where the operator gives none, and that the operator gave. */}}
{{- define "common.provided" -}}
{{- $c := . -}}
{{- $names := list -}}
{{- range $name, $parameter := .definition.parameters -}}
{{- if and $parameter.generate (ne (get $c.params $name).place "generated") -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{/*
A value of the definition as text, where a chart can work it out: a literal, texts and parameters joined by
"+", or the first of several of them that is not empty. Arguments: context, value, what to do where it cannot.
*/}}
{{- define "common.text" -}}
{{- $c := index . 0 -}}
{{- $source := toString (index . 1) -}}
{{- $next := index . 2 -}}
{{- $term := `("[^"\\]*"|param\("[A-Za-z0-9_]+"\))` -}}
{{- $sum := printf `%s(\s*\+\s*%s)*` $term $term -}}
{{- if not (hasPrefix "=" $source) -}}
{{- $source -}}
{{- else if regexMatch (printf `^=\s*first\(\s*%s(\s*,\s*%s)*\s*\)\s*$` $sum $sum) $source -}}
{{- $found := "" -}}
{{- range $alternative := regexFindAll $sum $source -1 -}}
{{- if not $found -}}
{{- $found = include "common.text" (list $c (printf "=%s" $alternative) $next) -}}
{{- end -}}
{{- end -}}
{{- $found -}}
{{- else if regexMatch (printf `^=\s*%s\s*$` $sum) $source -}}
{{- range $part := regexFindAll $term $source -1 -}}
{{- if hasPrefix "param(" $part -}}
{{- $name := $part | trimPrefix `param("` | trimSuffix `")` -}}
{{- $param := get $c.params $name -}}
{{- if not $param -}}
{{- fail (printf "files/connector.yaml: %s: there is no parameter %s" $source $name) -}}
{{- end -}}
{{- if eq $param.place "existing" -}}
{{- include "common.problem" (list $c (printf "%s comes from a Secret, but the chart needs it, too: %s" $name $next)) -}}
{{- end -}}
{{- $param.value | default (get (get $c.definition.parameters $name) "default") -}}
{{- else -}}
{{- $part | trimPrefix `"` | trimSuffix `"` -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- include "common.problem" (list $c (printf "the chart cannot work out %s: %s" $source $next)) -}}
{{- end -}}
{{- end -}}

{{/* The Kyma Application that everything is registered in. */}}
{{- define "common.application" -}}
{{- include "common.text" (list . .definition.application "give it as a form field") -}}
{{- end -}}

{{/* TCP ports besides 443 in the URLs that parameters give, as a JSON list of numbers. */}}
{{- define "common.urlPorts" -}}
{{- $ports := list -}}
{{- range $name, $param := .params -}}
{{- if eq $param.kind "url" -}}
{{- $host := regexFind "^https://[^/]+" (lower $param.value) -}}
{{- with regexFind ":[0-9]+$" $host -}}
{{- $ports = append $ports (trimPrefix ":" . | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
