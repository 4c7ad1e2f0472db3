package openapi

import (
	"cmp"

	"github.com/kyma-connectors/kyma-connectors/pkg/catalog"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// events is the event catalog, as far as it is needed here; it may be empty.
type events struct{ catalog *catalog.Catalog }

func readCatalog(d *connector.Definition) (events, error) {
	c, err := catalog.Of(d)
	return events{c}, err
}

func (e events) version() string {
	if e.catalog == nil {
		return "1.0"
	}
	return cmp.Or(e.catalog.InfoVersion(), "1.0")
}

// schemas are the named schemas, in OpenAPI's own dialect.
func (e events) schemas() object {
	out := object{}
	if e.catalog != nil {
		for name, schema := range e.catalog.Schemas() {
			out[name] = translate(schema)
		}
	}
	return out
}

// message is what a channel carries.
type message struct {
	schema  any
	example any
}

func (e events) message(channel string) message {
	m := message{schema: object{"type": "object"}}
	if e.catalog == nil {
		return m
	}
	found, err := e.catalog.Message(channel)
	if err != nil {
		return m
	}
	if found.Payload != nil {
		m.schema = translate(found.Payload)
	}
	if len(found.Examples) > 0 && found.Examples[0].Payload != nil {
		m.example = found.Examples[0].Payload
	}
	return m
}
