// Package payload holds the payloads of events against the schemas of the event catalog.
package payload

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/catalog"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
)

// maxProblems bounds what is said about one payload.
const maxProblems = 3

// Checker implements gateway.Payloads. It is safe for concurrent use.
type Checker struct {
	schemas map[string]*jsonschema.Schema // by type and version
	names   map[string]bool               // the members that the catalog knows
	// slots bound how many payloads are decoded at the same time, and so the memory that it takes.
	slots chan struct{}
}

var _ gateway.Payloads = (*Checker)(nil)

// New compiles the schemas of a definition's event catalog, all of them.
func New(d *connector.Definition) (*Checker, error) {
	events, err := catalog.Of(d)
	switch {
	case err != nil:
		return nil, err
	case events == nil:
		return nil, errors.New("payloads cannot be checked: the definition has no event catalog")
	}
	c := &Checker{schemas: map[string]*jsonschema.Schema{}, names: events.Members(), slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, channel := range events.Channels() {
		if c.schemas[channel], err = events.Schema(channel); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", d.Events.Catalog, channel, err)
		}
	}
	return c, nil
}

// Check implements gateway.Payloads. Events whose type and version the catalog does not have are not known,
// nor are payloads that are no JSON.
func (c *Checker) Check(e event.Event) (problem string, known bool) {
	schema := c.schemas[e.FullType()]
	if schema == nil || !e.IsJSON() {
		return "", false
	}
	data := []byte(e.Data)
	if len(data) == 0 {
		data = []byte("null")
	}
	c.slots <- struct{}{}
	found := schema.Problems(data)
	<-c.slots
	return c.say(found), true
}

// say words problems by what the catalog says alone: names of members may be personal, too.
func (c *Checker) say(found []jsonschema.Problem) string {
	var lines []string
	for _, p := range found {
		place := make([]string, len(p.Place))
		for i, name := range p.Place {
			place[i] = "*"
			if c.names[name] {
				place[i] = name
			}
		}
		if line := (jsonschema.Problem{Place: place, Rule: p.Rule}).String(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	if more := len(lines) - maxProblems; more > 0 {
		lines = append(lines[:maxProblems], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}
