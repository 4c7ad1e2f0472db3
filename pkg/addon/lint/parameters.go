package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// The lines around the parameters in a chart's values.yaml.
const (
	blockBegin = "# parameters: begin (made from files/connector.yaml by addonctl lint --fix)"
	blockEnd   = "# parameters: end"
)

// parametersOf are the parameters of an add-on's definition, in the order of its file.
func parametersOf(a *addon.Addon, d *connector.Definition) form.Parameters {
	var out form.Parameters
	for _, name := range a.ParameterNames() {
		out = append(out, form.NamedParameter{Name: name, Parameter: d.Parameters[name]})
	}
	return out
}

// parameterFile is a file of a chart that follows from the definition's parameters.
type parameterFile struct {
	file     string
	optional bool
	// write returns the content with the parameters in it.
	write func(is []byte, parameters form.Parameters) ([]byte, error)
}

func parameterFiles() []parameterFile {
	return []parameterFile{
		{addon.ValuesFile, false, parametersInValues},
		{schemaFile, true, parametersInSchema},
	}
}

// parametersInValues puts the parameters into a chart's values.yaml: between the two lines, or at the end
// where there are none. What stands outside is left alone.
func parametersInValues(values []byte, parameters form.Parameters) ([]byte, error) {
	text := string(values)
	before, rest, found := strings.Cut(text, blockBegin+"\n")
	after := ""
	if found {
		if _, after, found = strings.Cut(rest, blockEnd+"\n"); !found {
			return nil, fmt.Errorf("the line %q is missing", blockEnd)
		}
	} else if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	var outside map[string]any
	if err := yaml.Unmarshal([]byte(before+after), &outside); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(before)
	b.WriteString(blockBegin + "\n")
	for _, p := range parameters {
		if _, taken := outside[p.Name]; taken {
			return nil, fmt.Errorf("%s stands outside of the parameters' block; remove it there", p.Name)
		}
		comment := strings.Join(strings.Fields(p.Title+". "+p.Description), " ")
		fmt.Fprintf(&b, "# %s\n%s: %s\n", comment, p.Name, form.DefaultValue(p.Parameter))
	}
	b.WriteString(blockEnd + "\n")
	b.WriteString(after)
	return []byte(b.String()), nil
}

// parametersInSchema puts the parameters into the properties of a chart's values.schema.json. The order of
// all other keys stays as it is; parameters that are not there yet come last.
func parametersInSchema(schema []byte, parameters form.Parameters) ([]byte, error) {
	root, err := parseOrdered(schema)
	if err != nil {
		return nil, err
	}
	var properties ordered
	if i := root.index("properties"); i >= 0 {
		if properties, err = parseOrdered(root[i].value); err != nil {
			return nil, fmt.Errorf("properties: %w", err)
		}
	}
	changed := false
	for _, p := range parameters {
		property, err := compact(form.ValueProperty(p.Parameter))
		if err != nil {
			return nil, err
		}
		if i := properties.index(p.Name); i < 0 || !sameJSON(properties[i].value, property) {
			properties, changed = properties.set(p.Name, property), true
		}
	}
	if !changed {
		return schema, nil
	}
	root = root.set("properties", properties.marshal())
	var out bytes.Buffer
	if err := json.Indent(&out, root.marshal(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// ordered is a JSON object that keeps the order of its keys.
type ordered []member

type member struct {
	key   string
	value json.RawMessage
}

func parseOrdered(data []byte) (ordered, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	var out ordered
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		m := member{key: key}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	_, err := d.Token()
	return out, err
}

func (o ordered) index(key string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.key == key })
}

func (o ordered) set(key string, value []byte) ordered {
	if i := o.index(key); i >= 0 {
		o[i].value = value
		return o
	}
	return append(o, member{key, value})
}

func (o ordered) marshal() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := compact(m.key)
		b.Write(key)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// compact writes JSON without escapes for HTML.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
