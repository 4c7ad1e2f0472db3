package lint

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // templates can make such digests
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func securityRules() []Rule {
	return []Rule{
		{
			ID: "SEC001", Severity: Error, Suite: SuiteSecurity,
			Summary: "a secret of the form appears in the data of Secrets only: not in ConfigMaps, arguments, environment variables, annotations or names, neither plain nor in base64 nor as a digest",
			Effect:  "everybody who may read ConfigMaps or pods can read it, or guess it from its digest",
			Next:    "mount the Secret, or refer to it with secretKeyRef",
			plan: func(p *planContext) []problem {
				var problems []problem
				judged := map[*seenDocument]bool{} // most objects are the same for every cluster
				for _, r := range p.render() {
					traces, of := tracesOf(r.secrets), leaksOf(fmt.Sprint(r.secrets))
					for _, m := range r.manifests {
						if judged[m.seen] {
							continue
						}
						judged[m.seen] = true
						for _, l := range once(m.seen, of, func() []leak { return leaks(m, traces) }) {
							problems = append(problems, p.sourceProblem(m, "%s %s: %s holds %s %s", m.Kind, p.general(m.Name), l.at, l.what, l.field))
						}
					}
				}
				return unique(problems)
			},
		},
	}
}

// trace is a text by which a secret is known again: itself, or what templates make of it.
type trace struct{ text, what, field string }

// digestPart is how much of a digest is looked for, since templates shorten them.
const digestPart = 16

// leaksOf is by which secrets a document's leaks are known.
type leaksOf string

// tracesOf are the traces of fields by their markers.
func tracesOf(secrets map[string]string) (out []trace) {
	for _, marker := range slices.Sorted(maps.Keys(secrets)) {
		field := secrets[marker]
		out = append(out, trace{marker, "the secret", field})
		for _, part := range encodings(marker) {
			out = append(out, trace{part, "in base64 the secret", field})
		}
		long, short := sha256.Sum256([]byte(marker)), sha1.Sum([]byte(marker)) //nolint:gosec // see above
		for _, digest := range []string{hex.EncodeToString(long[:]), hex.EncodeToString(short[:])} {
			out = append(out, trace{digest[:digestPart], "a digest of the secret", field})
		}
	}
	return out
}

// leak is a place of an object that holds a secret.
type leak struct{ at, what, field string }

// leaks are the places of an object that hold a secret, but for the data of a Secret.
func leaks(m Manifest, traces []trace) []leak {
	if !slices.ContainsFunc(traces, func(t trace) bool { return bytes.Contains(m.Content, []byte(t.text)) }) {
		return nil
	}
	object, err := decode[any](m)
	if err != nil {
		return nil // another rule says that it is no object
	}
	var out []leak
	look := func(text, at string) {
		for _, t := range traces {
			if l := (leak{at, t.what, t.field}); strings.Contains(text, t.text) && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	var walk func(node any, at string)
	walk = func(node any, at string) {
		switch node := node.(type) {
		case string:
			look(node, at)
		case []any:
			for i, item := range node {
				walk(item, fmt.Sprintf("%s[%s]", at, element(item, i)))
			}
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(node)) {
				if m.Kind == "Secret" && at == "" && (key == "data" || key == "stringData") {
					continue
				}
				below := strings.TrimPrefix(at+"."+key, ".")
				look(key, below)
				walk(node[key], below)
			}
		}
	}
	walk(object, "")
	return out
}

// element names an element of a list, by its name where it has one.
func element(item any, i int) string {
	if object, ok := item.(map[string]any); ok {
		if name, ok := object["name"].(string); ok && name != "" {
			return name
		}
	}
	return strconv.Itoa(i)
}

// holds says whether a text holds a marker, plain or in base64 at whatever offset.
func holds(text, marker string) bool {
	return strings.Contains(text, marker) || slices.ContainsFunc(encodings(marker), func(part string) bool { return strings.Contains(text, part) })
}

// encodings are the digits that base64 has for a marker at each offset, without those that depend on what is around it.
func encodings(marker string) []string {
	var out []string
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + marker))
		out = append(out, encoded[4:len(encoded)-4])
	}
	return out
}
