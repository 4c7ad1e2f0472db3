package registration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

func TestEntitySets(t *testing.T) {
	t.Parallel()
	atom := func(inner string) string {
		return `<?xml version="1.0"?><service xmlns="http://www.w3.org/2007/app" xmlns:m="http://docs.oasis-open.org/odata/ns/metadata"><workspace>` + inner + `</workspace></service>`
	}
	tests := []struct {
		name, body string
		sets       int
		err        error
	}{
		{"version 2", `{"d":{"EntitySets":["A","B"]}}`, 2, nil},
		{"version 2 with a byte order mark", "\xef\xbb\xbf" + ` {"d":{"EntitySets":["A"]}}`, 1, nil},
		{"version 3", `{"odata.metadata":"x","value":[{"name":"A","url":"A"}]}`, 1, nil},
		{"version 4", `{"@odata.context":"x","value":[{"name":"A","kind":"EntitySet","url":"A"},{"name":"Me","kind":"Singleton","url":"Me"}]}`, 2, nil},
		{"nothing offered", `{"d":{"EntitySets":[]}}`, 0, nil},
		{"Atom", atom(`<title>x</title><collection href="A"/><collection href="B"/>`), 2, nil},
		{"Atom of version 4", atom(`<collection href="A"/><m:singleton href="Me"/>`), 2, nil},
		{"Atom that offers nothing", atom(""), 0, nil},
		{"Atom cut in half", atom("<collection/>")[:150], 0, errNotOData},
		{"entities are not expanded", `<!DOCTYPE service [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>` + atom("<title>&b;</title><collection/>"), 0, errNotOData},
		{"other XML", `<rss><channel/></rss>`, 0, errNotOData},
		{"deep XML", strings.Repeat("<service>", 100_000), 0, errNotOData},
		{"a web page", "<html><body>Log in</body></html>", 0, system.ErrWebPage},
		{"a web page with a comment first", "<!-- x --><!doctype HTML><p>", 0, system.ErrWebPage},
		{"XHTML", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"></html>`, 0, system.ErrWebPage},
		{"XHTML after much else", `<?xml version="1.0"?>` + strings.Repeat(" ", 600) + `<html/>`, 0, system.ErrWebPage},
		{"other JSON", `{"d":{"results":[]}}`, 0, errNotOData},
		{"a list", `[1]`, 0, errNotOData},
		{"cut JSON", `{"d":{"EntitySets":["A"`, 0, errNotOData},
		{"text", "OK", 0, errNotOData},
		{"nothing", " \n", 0, errEmptyBody},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sets, err := entitySets([]byte(tt.body))
			assert.Equal(t, tt.sets, sets)
			assert.ErrorIs(t, err, tt.err)
		})
	}
}

func FuzzEntitySets(f *testing.F) {
	f.Add([]byte(`{"d":{"EntitySets":["A"]}}`))
	f.Add([]byte(`<service><workspace><collection/></workspace></service>`))
	f.Add([]byte(`<!-- <!doctype html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sets, err := entitySets(body)
		if err != nil {
			assert.Zero(t, sets)
		}
		assert.GreaterOrEqual(t, sets, 0)
	})
}
