package relay

import (
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// DefaultPrefix starts the event types of Kyma before 2.12, and those that are subscribed to by their exact
// names.
const DefaultPrefix = "sap.kyma.custom"

// naming knows the event types that a relay takes, in every form in which a Kyma delivers them.
type naming struct {
	prefix string
	types  map[string]string // what is delivered: what the definition calls it
}

func newNaming(types []string, prefix string) naming {
	n := naming{prefix: prefix + ".", types: map[string]string{}}
	for _, full := range types {
		name, version := event.SplitType(full)
		n.types[n.prefix+squeeze(name)+dotted(version)] = full
	}
	// Later, so that a type always stands for itself.
	for _, full := range types {
		n.types[full] = full
	}
	return n
}

func dotted(version string) string {
	if version == "" {
		return ""
	}
	return "." + version
}

// squeeze is what Kyma makes of a name in an exact type: two segments of letters and digits.
func squeeze(name string) string {
	name = event.CleanType(name)
	last := strings.LastIndexByte(name, '.')
	if last < 0 {
		return name
	}
	return strings.ReplaceAll(name[:last], ".", "") + name[last:]
}

// find returns the event's type as the definition calls it.
func (n naming) find(e event.Event) (name, version string, ok bool) {
	full := e.FullType()
	if e.Version == "" {
		full += dotted(e.Extensions["eventtypeversion"]) // as Kyma before 1.21 has it
	}
	for _, candidate := range []string{full, n.plain(full), n.exact(full)} {
		if wanted, known := n.types[candidate]; known && candidate != "" {
			name, version = event.SplitType(wanted)
			return name, version, true
		}
	}
	return "", "", false
}

// plain is a full type without prefix and Application; empty where it has none.
func (n naming) plain(full string) string {
	rest, ok := strings.CutPrefix(full, n.prefix)
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ".")
	return rest
}

// exact is a full type with the prefix and without the Application.
func (n naming) exact(full string) string {
	if rest := n.plain(full); rest != "" {
		return n.prefix + rest
	}
	return ""
}
