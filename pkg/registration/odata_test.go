package registration

import (
	"bytes"
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

func TestMetadataSets(t *testing.T) {
	t.Parallel()
	edmx := func(inner string) string {
		return `<?xml version="1.0"?><!-- x --><edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:Reference Uri="x"/><edmx:DataServices>` + inner + `</edmx:DataServices></edmx:Edmx>`
	}
	container := func(inner string) string {
		return edmx(`<Schema Namespace="x"><EntityType Name="A"/></Schema><Schema Namespace="y"><EntityContainer Name="C">` + inner + `</EntityContainer></Schema>`)
	}
	for name, tt := range map[string]struct {
		body string
		sets int
		err  error
	}{
		"version 2":               {container(`<EntitySet Name="A" EntityType="x.A"><a/></EntitySet><EntitySet Name="B" EntityType="x.B"/><AssociationSet/>`), 2, nil},
		"version 4":               {container(`<EntitySet Name="A" EntityType="x.A"/><Singleton Name="Me"/><ActionImport/><FunctionImport/>`), 4, nil},
		"nothing offered":         {container(``), 0, nil},
		"sets in another place":   {edmx(`<EntityContainer><EntitySet/></EntityContainer>`), 0, nil},
		"cut":                     {container(`<EntitySet/>`)[:200], 0, errNotEDMX},
		"crossed":                 {edmx("<a></b>"), 0, errNotEDMX},
		"two documents":           {edmx("") + edmx(""), 0, errNotEDMX},
		"more after the end":      {edmx("") + "</x>", 0, errNotEDMX},
		"a service document":      {`<service/>`, 0, errNotEDMX},
		"JSON":                    {`{"$Version":"4.01"}`, 0, errNotEDMX},
		"nothing":                 {"", 0, errNotEDMX},
		"a web page":              {"<!DOCTYPE html><title>x</title>", 0, system.ErrWebPage},
		"a web page of old":       {"<HTML>", 0, system.ErrWebPage},
		"a document type":         {`<!DOCTYPE Edmx [<!ENTITY a "x">]>` + edmx(""), 0, errNotEDMX},
		"an entity":               {edmx("&a;"), 0, errNotEDMX},
		"too deep":                {edmx(strings.Repeat("<a>", 63) + strings.Repeat("</a>", 63)), 0, errNotEDMX},
		"deep":                    {edmx(strings.Repeat("<a>", 62) + strings.Repeat("</a>", 62)), 0, nil},
		"a comment without end":   {edmx("<!--" + strings.Repeat("x", 2*maxToken) + "-->"), 0, errNotEDMX},
		"a long comment":          {edmx("<!--" + strings.Repeat("x", maxToken/2) + "-->"), 0, nil},
		"many long comments":      {edmx(strings.Repeat("<!--"+strings.Repeat("x", maxToken/2)+"-->", 20)), 0, nil},
		"a number of attributes":  {edmx("<a" + strings.Repeat(` a=""`, maxToken) + "/>"), 0, errNotEDMX},
		"an unknown set of codes": {`<?xml version="1.0" encoding="utf-7"?>` + edmx(""), 0, errNotEDMX},
	} {
		sets, err := metadataSets(strings.NewReader(tt.body))
		assert.Equal(t, tt.sets, sets, name)
		assert.ErrorIs(t, err, tt.err, name)
	}
}

func FuzzMetadataSets(f *testing.F) {
	f.Add([]byte(`<Edmx><DataServices><Schema><EntityContainer><EntitySet Name="A"/></EntityContainer></Schema></DataServices></Edmx>`))
	f.Add([]byte(`<e:Edmx xmlns:e="x"><!-- --><?x?><![CDATA[x]]></e:Edmx>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><Edmx>&a;</Edmx>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sets, err := metadataSets(bytes.NewReader(body))
		if err != nil {
			assert.Zero(t, sets)
		}
		assert.LessOrEqual(t, sets, len(body)/len("<EntitySet/>"))
	})
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
