package connector

import "testing"

// FuzzCatalog reads event catalogs: AsyncAPI as JSON or YAML.
func FuzzCatalog(f *testing.F) {
	f.Add([]byte("asyncapi: 2.0.0\nchannels: {Order.Created.v1: {subscribe: {summary: An order}}}\n"))
	f.Add([]byte(`{"asyncapi":"2.6.0","channels":{"a":1,"b.v1":null,".v1":{}}}`))
	f.Add([]byte("asyncapi: 3.0.0"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &Definition{Events: &Events{Catalog: "events.yaml"}, files: func(string) ([]byte, error) { return data, nil }}
		problems := d.readCatalog()
		for _, each := range d.EventTypes() {
			if each.Name == "" || each.Version == "" {
				t.Errorf("%q: the type %+v", data, each)
			}
		}
		if len(problems) == 0 && len(d.EventTypes()) == 0 {
			t.Errorf("%q: neither types nor a problem", data)
		}
	})
}

// FuzzWellFormed reads EDMX documents beside a definition.
func FuzzWellFormed(f *testing.F) {
	f.Add([]byte(`<Edmx><DataServices/></Edmx>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if wellFormed("x", data) == nil && len(data) < len("<a/>") {
			t.Errorf("%q is a document", data)
		}
	})
}
