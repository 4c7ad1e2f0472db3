package lint

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// chartMeta is what Chart.yaml says of a chart and of those that it depends on.
type chartMeta struct {
	Name         string
	Type         string
	Dependencies []struct {
		Name, Alias, Condition string
		Tags                   []string
		ImportValues           []any `yaml:"import-values"`
	}
}

func (c *addonContext) chartMeta(dir string) (meta chartMeta) {
	if d := c.document(c.chartFile(path.Join(dir, chartFile))); d.root() != nil {
		_ = d.root().Decode(&meta) // another rule says what is wrong
	}
	return meta
}

// chartOf is the directory of the chart that a file belongs to, relative to the add-on's chart, and the rest of its name.
func chartOf(name string) (dir, rest string) {
	for rest = name; ; {
		parts := strings.SplitN(rest, "/", 3)
		if len(parts) < 3 || parts[0] != addon.ChartsDir {
			return dir, rest
		}
		dir, rest = path.Join(dir, addon.ChartsDir, parts[1]), parts[2]
	}
}

// places are where Helm finds the values of the chart in dir, as paths from those of the add-on's chart: one for each
// dependency that names it. The templates of a library read the values of who calls them, which is the chart that it lies in.
func (c *addonContext) places(dir string) [][]string {
	if dir == "" {
		return [][]string{nil}
	}
	parent, meta := strings.TrimPrefix(path.Dir(path.Dir(dir)), "."), c.chartMeta(dir)
	above := c.places(parent)
	if meta.Type == "library" {
		return above
	}
	var keys []string
	for _, d := range c.chartMeta(parent).Dependencies {
		if d.Name == meta.Name && d.Name != "" {
			keys = append(keys, cmp.Or(d.Alias, d.Name))
		}
	}
	if len(keys) == 0 {
		keys = []string{cmp.Or(meta.Name, path.Base(dir))}
	}
	var out [][]string
	for _, at := range above {
		for _, key := range keys {
			out = append(out, append(slices.Clone(at), key))
		}
	}
	return out
}

// declare adds what a chart's Chart.yaml, values and schema declare.
func (x *xref) declare(c *addonContext, dir string) {
	meta := c.chartMeta(dir)
	declared := map[string]any{}
	if data, found := c.parsed.Chart.Read(path.Join(dir, addon.ValuesFile)); found {
		declared = maps.Clone(c.options.shared.values.of(data, readValues))
	}
	if schema, found := c.parsed.Chart.Read(path.Join(dir, schemaFile)); found {
		for _, name := range c.options.shared.heads.of(schema, readHead).properties {
			declared = declaring(declared, []string{name})
		}
	}
	for _, d := range meta.Dependencies {
		declared = declaring(declared, []string{cmp.Or(d.Alias, d.Name)})
		for condition := range strings.SplitSeq(d.Condition, ",") {
			if condition = strings.TrimSpace(condition); condition != "" {
				declared = declaring(declared, strings.Split(condition, "."))
			}
		}
		for _, tag := range d.Tags {
			declared = declaring(declared, []string{"tags", tag})
		}
		for _, from := range d.ImportValues {
			if named, ok := from.(map[string]any); ok {
				if to, _ := named["parent"].(string); to != "" && to != "." {
					declared = declaring(declared, strings.Split(to, "."))
					continue
				}
			}
			x.open = true // what is at the root then is not said here
		}
	}
	for _, at := range c.places(dir) {
		if len(at) > 0 {
			declared := declaring(declared, []string{"global"})
			x.declared = merging(x.declared, nested(at, declared))
			continue
		}
		x.declared = merging(x.declared, declared)
	}
}

// declaring is a map in which path exists.
func declaring(values map[string]any, at []string) map[string]any {
	return merging(values, nested(at, nil))
}

// merging is a map of all keys of both; what is a map in one of them is one.
func merging(a, b map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, a)
	for key, value := range b {
		below, isMap := value.(map[string]any)
		had, wasMap := out[key].(map[string]any)
		switch _, found := out[key]; {
		case isMap && wasMap:
			out[key] = merging(had, below)
		case isMap && len(below) > 0 || !found:
			out[key] = value
		}
	}
	return out
}
