package connector

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// SelectAuth returns the first alternative whose parameters all have values. An empty list means calls
// without credentials. Where no alternative is complete, the error says what each one lacks.
func (d *Definition) SelectAuth(list AuthList, params *Params) (*Auth, error) {
	if len(list) == 0 {
		return &Auth{None: &NoAuth{}}, nil
	}
	lacking := make([]string, 0, len(list))
	for i := range list {
		missing := ""
		for _, name := range list[i].Parameters() {
			if !params.Has(name) {
				missing = name
				break
			}
		}
		if missing == "" {
			return &list[i], nil
		}
		lacking = append(lacking, missing)
	}
	if len(lacking) == 1 {
		return nil, Problem{Path: parameterPath(lacking[0]), What: "is needed to sign in to the system and has no value",
			Next: fmt.Sprintf("fill in the form field %q", d.Parameters[lacking[0]].title(lacking[0]))}
	}
	return nil, Problem{Path: "system.auth", What: "no way to sign in to the system has all its parameters",
		Next: "give a value to one of: " + strings.Join(lacking, ", ")}
}

// Usable are the alternatives whose parameters all have values, in their order.
func (l AuthList) Usable(params *Params) []*Auth {
	var usable []*Auth
	for i := range l {
		if !slices.ContainsFunc(l[i].Parameters(), func(name string) bool { return !params.Has(name) }) {
			usable = append(usable, &l[i])
		}
	}
	return usable
}

// Parameters are the names of the parameters that the alternative reads, each once.
func (a *Auth) Parameters() []string {
	var names []string
	eachValue(reflect.ValueOf(a).Elem(), place{}, func(_ place, v *Value) {
		for _, name := range v.Parameters() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	})
	return names
}
