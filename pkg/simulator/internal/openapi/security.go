package openapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Missing says what a request lacks of the ways to sign in that the document names for the operation, such as
// "the header Desk-Token"; empty where one of them is complete, or none is named. Which values are right is not
// for a document to say: only whether there is one, and of the right kind.
func (o *Operation) Missing(r *http.Request) string {
	alternatives, own := o.raw["security"].([]any)
	if !own {
		alternatives, _ = o.document.root["security"].([]any)
	}
	first := ""
	for _, alternative := range alternatives {
		schemes, _ := alternative.(map[string]any)
		missing := ""
		for _, name := range slices.Sorted(maps.Keys(schemes)) {
			if missing = lacks(o.document.scheme(name), r); missing != "" {
				break
			}
		}
		if missing == "" {
			return ""
		}
		if first == "" {
			first = missing
		}
	}
	return first
}

// scheme is a way to sign in, by its name; nil where the document does not describe it.
func (d *Document) scheme(name string) map[string]any {
	components, _ := d.root["components"].(map[string]any)
	schemes, ok := components["securitySchemes"].(map[string]any)
	if !ok {
		schemes, _ = d.root["securityDefinitions"].(map[string]any) // version 2
	}
	return d.object(schemes[name])
}

// lacks says what a request lacks of one scheme.
func lacks(scheme map[string]any, r *http.Request) string {
	text := func(member string) string {
		value, _ := scheme[member].(string)
		return value
	}
	authorization := func(kind string) string {
		if given, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(given, kind) {
			return ""
		}
		return "the header Authorization: " + kind
	}
	switch name := text("name"); text("type") {
	case "apiKey":
		switch in := text("in"); {
		case in == "header" && r.Header.Get(name) == "":
			return "the header " + name
		case in == "query" && r.URL.Query().Get(name) == "":
			return "the query parameter " + name
		}
	case "basic": // version 2
		return authorization("Basic")
	case "http":
		if kind := strings.ToLower(text("scheme")); kind == "basic" || kind == "bearer" {
			return authorization(strings.ToUpper(kind[:1]) + kind[1:])
		}
	case "oauth2", "openIdConnect":
		return authorization("Bearer")
	}
	return ""
}
