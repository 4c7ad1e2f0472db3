package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

// holdsSecret says whether a name is that of what holds a secret itself, and not the name, file or address of one.
func holdsSecret(name string) bool {
	for _, end := range []string{"password", "passwd", "secret", "token", "apikey", "api_key", "privatekey", "private_key"} {
		if len(name) >= len(end) && strings.EqualFold(name[len(name)-len(end):], end) {
			return true
		}
	}
	return false
}

var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|private_?key|api_?key|access_?key|shared_?key|signature_?key|credential|passphrase)`)

// aboutSecret is the end of a name of what is not a secret, but where or how one is.
var aboutSecret = regexp.MustCompile(`(?i)(name|ref|reference|url|uri|endpoint|host|path|file|policy|type|id|header|ttl|expiry|lifetime|length|namespace|enabled|mode)$`)

func formRules() []Rule {
	return []Rule{
		{
			ID: "SCH001", Severity: Error, Suite: SuiteLoad,
			Summary: "a form is smaller than 64 KiB",
			Effect:  "the broker does not load the add-on",
			Next:    "shorten descriptions, or drop fields",
			plan: func(p *planContext) []problem {
				if len(p.schema) >= addon.MaxSchema {
					return p.inForm("#", "%d bytes, which is not less than %d", len(p.schema), addon.MaxSchema)
				}
				return nil
			},
		},
		{
			ID: "SCH002", Severity: Error, Suite: SuiteLoad,
			Summary: "the broker's own type can read the form",
			Effect:  "the broker does not load the add-on: it knows whole numbers, one type as text, booleans in exclusiveMinimum, objects as schemas",
			Next:    "write valid JSON, as draft-04 does, with whole numbers and one type for each field",
			plan: func(p *planContext) []problem {
				if p.schema == nil {
					return nil
				}
				if err := form.CheckLoad(p.schema); err != nil {
					found := problem{path: p.file(addon.CreateSchema), message: err.Error()}
					if load := (*form.LoadError)(nil); errors.As(err, &load) {
						found.line = load.Line
					}
					return []problem{found}
				}
				return nil
			},
		},
		{
			ID: "SCH003", Severity: Error, Suite: SuiteLoad,
			Summary: "the broker's storage can keep the form",
			Effect:  "the add-on is missing from the catalog, although its configuration is reported as ready",
			Next:    "use no list in default, enum and examples, and no property that is null",
			plan: func(p *planContext) []problem {
				if !p.readable() {
					return nil
				}
				pointers, err := form.Unstorable(p.schema)
				if err != nil {
					return nil
				}
				return p.each(pointers, "the broker's storage refuses it")
			},
		},
		{
			ID: "SCH004", Severity: Warning, Suite: SuiteLoad,
			Summary: "every keyword of the form survives the broker",
			Effect:  "the broker drops the keyword without a word; 0 and false are dropped too (minimum: 0)",
			Next:    "leave it out, or say it otherwise: minimum 0 is exclusiveMinimum true with minimum -1",
			plan: func(p *planContext) []problem {
				if !p.readable() {
					return nil
				}
				if pointers, _ := form.Unstorable(p.schema); len(pointers) > 0 {
					return nil
				}
				pointers, err := form.Lost(p.schema)
				if err != nil {
					return nil
				}
				return p.each(pointers, "the broker drops it")
			},
		},
		{
			ID: "SCH005", Severity: Error, Suite: SuiteOSB,
			Summary: "the form is valid draft-04 and says so in $schema",
			Effect:  "platforms show no form; the broker passes a later draft with its keywords removed",
			Next:    "correct what is named; a form keeps to draft-04 and says $schema: " + form.Draft,
			plan: func(p *planContext) []problem {
				if !p.readable() {
					return nil
				}
				_, err := p.form()
				var ref *jsonref.Error
				var invalid *form.Invalid
				switch {
				case errors.As(err, &ref):
					return nil
				case errors.As(err, &invalid):
					return p.inForm(invalid.At, "%s", err)
				case err != nil:
					return p.inForm("#", "%s", err)
				case p.document(p.file(addon.CreateSchema)).text("$schema") != form.Draft:
					return p.inForm("#", "no $schema")
				}
				return nil
			},
		},
		{
			ID: "SCH006", Severity: Error, Suite: SuiteOSB,
			Summary: "references in a form stay in it and do not lead back to themselves",
			Effect:  "whoever reads the form fetches something from elsewhere, or hangs",
			Next:    "use #/definitions/…, and write cycles out",
			plan: func(p *planContext) []problem {
				if !p.readable() {
					return nil
				}
				_, err := p.form()
				var ref *jsonref.Error
				if errors.As(err, &ref) {
					return p.inForm(ref.At, "%s", ref.What)
				}
				return nil
			},
		},
		{
			ID: "SCH007", Severity: Warning, Suite: SuiteOSB,
			Summary: "a form is an object that takes known fields only; each has title, description and type; required fields exist; defaults fit",
			Effect:  "users see a field without a name, or are asked for one that does not exist",
			Next:    "complete the form",
			plan:    func(p *planContext) []problem { return incompleteForm(p) },
		},
		{
			ID: "SCH008", Severity: Warning, Suite: SuiteSecurity,
			Summary: "a field that holds a secret has format password and no default",
			Effect:  "the value is shown while it is typed; a default is known to everybody",
			Next:    "add \"format\": \"password\", remove the default",
			plan: func(p *planContext) []problem {
				return p.bareSecrets("", "#/properties/", p.fields())
			},
		},
		{
			ID: "SCH009", Severity: Warning, Suite: SuiteOSB,
			Summary: "a plan has no bind-instance-schema.json",
			Effect:  "the broker refuses every parameter of a binding",
			Next:    "remove the file",
			plan: func(p *planContext) []problem {
				if _, found := p.tree.Read(p.file(addon.BindSchema)); found {
					return []problem{{path: p.file(addon.BindSchema), message: "bindings take no parameters"}}
				}
				return nil
			},
		},
		{
			ID: "SCH011", Severity: Error, Suite: SuiteOSB,
			Summary: "a value can be made for each required field",
			Effect:  "nothing can check the chart with the form",
			Next:    "give the field an example that fits, or say less of it",
			plan: func(p *planContext) []problem {
				schema, err := p.form()
				if err != nil {
					return nil
				}
				if _, err := schema.Sample(); err != nil {
					return p.inForm("#", "%s", err)
				}
				return nil
			},
		},
	}
}

// readable says whether the form is there and another rule has nothing to say about its size and shape.
func (p *planContext) readable() bool {
	return p.schema != nil && len(p.schema) < addon.MaxSchema && form.CheckLoad(p.schema) == nil
}

// inForm makes a problem at a JSON pointer of the form.
func (p *planContext) inForm(at, format string, args ...any) []problem {
	d := p.document(p.file(addon.CreateSchema))
	return []problem{d.problem(pointer(at), format, args...)}
}

func (p *planContext) each(pointers []string, message string) []problem {
	var problems []problem
	for _, at := range pointers {
		problems = append(problems, p.inForm(at, "%s: %s", at, message)...)
	}
	return problems
}

type field struct {
	Type        any    `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Format      string `json:"format"`
	Default     any    `json:"default"`
	Ref         string `json:"$ref"`
	AllOf       []any  `json:"allOf"`
	AnyOf       []any  `json:"anyOf"`
	OneOf       []any  `json:"oneOf"`

	Properties map[string]field `json:"properties"`
	Items      *field           `json:"items"`
}

// fields are the form's fields; empty where the form cannot be read.
func (p *planContext) fields() map[string]field {
	if _, err := p.form(); err != nil {
		return nil
	}
	var document struct {
		Properties map[string]field `json:"properties"`
	}
	_ = json.Unmarshal(p.schema, &document)
	return document.Properties
}

func incompleteForm(p *planContext) []problem {
	schema, err := p.form()
	if err != nil {
		return nil
	}
	var root struct {
		Type                 any `json:"type"`
		AdditionalProperties any `json:"additionalProperties"`
	}
	_ = json.Unmarshal(p.schema, &root)
	var problems []problem
	if root.Type != "object" {
		problems = append(problems, p.inForm("#", "type is not object")...)
	}
	if root.AdditionalProperties != false {
		problems = append(problems, p.inForm("#", "additionalProperties is not false")...)
	}
	fields := p.fields()
	problems = append(problems, p.incompleteFields("", "#/properties/", fields)...)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := fields[name]
		if f.Default != nil {
			problems = append(problems, p.checkDefault(schema, name, f.Default)...)
		}
	}
	for _, name := range schema.Required() {
		if _, exists := fields[name]; !exists {
			problems = append(problems, p.inForm("#/required", "%s is required and no field of the form", name)...)
		}
	}
	return problems
}

// bareSecrets finds fields that hold a secret and do not say so, or have a default; those of objects too.
func (p *planContext) bareSecrets(above, at string, fields map[string]field) []problem {
	var problems []problem
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f, here := fields[name], at+jsonref.Escape(name)
		holds := secretName.MatchString(name) && !aboutSecret.MatchString(name) && (f.Type == nil || f.Type == "string") && f.Ref == ""
		if f.Format == "password" && f.Default != nil || holds && f.Format != "password" {
			problems = append(problems, p.inForm(here, "%s%s looks like a secret", above, name)...)
		}
		problems = append(problems, p.bareSecrets(above+name+".", here+"/properties/", f.Properties)...)
	}
	return problems
}

// incompleteFields finds fields that lack something, those of objects and of lists of objects too.
func (p *planContext) incompleteFields(above, at string, fields map[string]field) []problem {
	var problems []problem
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f, here := fields[name], at+jsonref.Escape(name)
		var lacks []string
		for _, has := range []struct {
			what string
			ok   bool
		}{{"title", f.Title != ""}, {"description", f.Description != ""}, {"type", f.Type != nil || f.Ref != "" || f.OneOf != nil || f.AnyOf != nil || f.AllOf != nil}} {
			if !has.ok && f.Ref == "" {
				lacks = append(lacks, has.what)
			}
		}
		if len(lacks) > 0 {
			problems = append(problems, p.inForm(here, "%s%s has no %s", above, name, strings.Join(lacks, ", "))...)
		}
		problems = append(problems, p.incompleteFields(above+name+".", here+"/properties/", f.Properties)...)
		if f.Items != nil {
			problems = append(problems, p.incompleteFields(above+name+"[].", here+"/items/properties/", f.Items.Properties)...)
		}
	}
	return problems
}

func (p *planContext) checkDefault(schema *form.Schema, name string, value any) []problem {
	wrong, err := schema.Check(map[string]any{name: value})
	if err != nil {
		return nil
	}
	for _, w := range wrong {
		if w.Parameter == name {
			return p.inForm("#/properties/"+name, "the default %s", fmt.Sprintf("of %s: %s", name, w.What))
		}
	}
	return nil
}
