package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// catalog is an AsyncAPI 2 document, as far as it is needed here.
type catalog struct {
	Info struct {
		Version string `json:"version"`
	} `json:"info"`
	Channels   map[string]channel `json:"channels"`
	Components struct {
		Schemas  map[string]any        `json:"schemas"`
		Messages map[string]messageDoc `json:"messages"`
	} `json:"components"`
}

type channel struct {
	Subscribe struct {
		Message messageDoc `json:"message"`
	} `json:"subscribe"`
}

type messageDoc struct {
	Ref      string `json:"$ref"`
	Payload  any    `json:"payload"`
	Examples []struct {
		Payload any `json:"payload"`
	} `json:"examples"`
}

func readCatalog(d *connector.Definition) (*catalog, error) {
	c := &catalog{}
	if d.Events == nil {
		return c, nil
	}
	document, err := d.Document(d.Events.Catalog)
	if err == nil {
		err = json.Unmarshal(document, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Events.Catalog, err)
	}
	return c, nil
}

func (c *catalog) version() string { return cmp.Or(c.Info.Version, "1.0") }

// schemas are the named schemas, in OpenAPI's own dialect.
func (c *catalog) schemas() object {
	out := object{}
	for name, schema := range c.Components.Schemas {
		out[name] = translate(schema)
	}
	return out
}

// message is what a channel carries.
type message struct {
	schema  any
	example any
}

func (c *catalog) message(channel string) message {
	doc := c.Channels[channel].Subscribe.Message
	if name, ok := strings.CutPrefix(doc.Ref, "#/components/messages/"); ok {
		doc = c.Components.Messages[name]
	}
	m := message{schema: object{"type": "object"}}
	if doc.Payload != nil {
		m.schema = translate(doc.Payload)
	}
	if len(doc.Examples) > 0 {
		m.example = doc.Examples[0].Payload
	}
	return m
}
