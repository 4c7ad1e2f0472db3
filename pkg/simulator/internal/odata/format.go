package odata

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// origin is the address that links begin with.
func (c *call) origin() string {
	scheme := "https"
	if c.r.TLS == nil && c.r.Header.Get("X-Forwarded-Proto") != "https" {
		scheme = "http"
	}
	return scheme + "://" + c.r.Host
}

func (c *call) uri(t *Set, key string) string {
	return c.origin() + c.base + t.Name + "('" + key + "')"
}

// writeDocument writes the service document.
func (c *call) writeDocument() {
	names := []string{}
	for _, t := range c.service.Sets {
		names = append(names, t.Name)
	}
	if c.json {
		c.writeJSON(http.StatusOK, map[string]any{"EntitySets": names})
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<app:service xml:base="%s" xmlns:app="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom"><app:workspace><atom:title type="text">Default</atom:title>`, escape(c.origin()+c.base))
	for _, name := range names {
		fmt.Fprintf(&b, `<app:collection href="%[1]s"><atom:title type="text">%[1]s</atom:title></app:collection>`, escape(name))
	}
	b.WriteString(`</app:workspace></app:service>`)
	c.writeXML(http.StatusOK, "application/atomsvc+xml", b.String())
}

// writeMetadata writes the EDMX document.
func (c *call) writeMetadata() {
	var types, sets strings.Builder
	for _, t := range c.service.Sets {
		fmt.Fprintf(&types, `<EntityType Name="%s"><Key><PropertyRef Name="%s"/></Key>`, escape(t.EntityType), escape(t.key()))
		properties := append([]Property{{Name: t.key()}}, t.Properties...)
		for _, p := range properties {
			kind := p.Type
			if kind == "" {
				kind = "Edm.String"
			}
			writable := strconv.FormatBool(p.Name != t.key() && !t.ReadOnly)
			fmt.Fprintf(&types, `<Property Name="%s" Type="%s" Nullable="%t" sap:creatable="%s" sap:updatable="%s" sap:filterable="true"%s/>`,
				escape(p.Name), escape(kind), p.Name != t.key(), writable, writable, p.Attributes)
		}
		types.WriteString(`</EntityType>`)
		writable := strconv.FormatBool(!t.ReadOnly)
		fmt.Fprintf(&sets, `<EntitySet Name="%s" EntityType="%s.%s" sap:creatable="%s" sap:updatable="%s" sap:deletable="%s"/>`,
			escape(t.Name), escape(c.service.Name), escape(t.EntityType), writable, writable, writable)
	}
	c.writeXML(http.StatusOK, "application/xml", fmt.Sprintf(
		`<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" xmlns:sap="http://www.sap.com/Protocols/SAPData"%s>`+
			`<edmx:DataServices m:DataServiceVersion="2.0"><Schema Namespace="%s" xmlns="http://schemas.microsoft.com/ado/2006/04/edm">%s<EntityContainer Name="%s" m:IsDefaultEntityContainer="true">%s</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>`,
		c.service.Attributes, escape(c.service.Name), types.String(), escape(c.service.Name), sets.String()))
}

// writePage writes one page of a set.
func (c *call) writePage(t *Set) *problem {
	keys, next, p := c.page(t)
	if p != nil {
		return p
	}
	link := ""
	if next > 0 {
		query := c.r.URL.Query()
		query.Del("$skip")
		query.Set("$skiptoken", strconv.Itoa(next))
		link = c.origin() + c.base + t.Name + "?" + strings.ReplaceAll(query.Encode(), "%24", "$")
	}
	counted := c.r.URL.Query().Get("$inlinecount") == "allpages"
	if c.json {
		results := []any{}
		for _, key := range keys {
			results = append(results, c.jsonEntity(t, key, t.entities[key]))
		}
		d := map[string]any{"results": results}
		if link != "" {
			d["__next"] = link
		}
		if counted {
			d["__count"] = strconv.Itoa(len(t.order))
		}
		c.writeJSON(http.StatusOK, d)
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<feed xml:base="%s" %s><id>%s</id><title type="text">%s</title>`, escape(c.origin()+c.base), atomNamespaces, escape(c.origin()+c.base+t.Name), escape(t.Name))
	if counted {
		fmt.Fprintf(&b, `<m:count>%d</m:count>`, len(t.order))
	}
	for _, key := range keys {
		b.WriteString(c.atomEntry(t, key, t.entities[key], ""))
	}
	if link != "" {
		fmt.Fprintf(&b, `<link rel="next" href="%s"/>`, escape(link))
	}
	b.WriteString(`</feed>`)
	c.writeXML(http.StatusOK, "application/atom+xml;type=feed", b.String())
	return nil
}

// writeEntity writes one entity; unlike other systems, C4C puts it into results, as an object.
func (c *call) writeEntity(status int, t *Set, key string, e *entity) {
	if c.json && c.service.Flat {
		c.writeJSON(status, c.jsonEntity(t, key, e))
		return
	}
	if c.json {
		c.writeJSON(status, map[string]any{"results": c.jsonEntity(t, key, e)})
		return
	}
	c.writeXML(status, "application/atom+xml;type=entry", c.atomEntry(t, key, e, fmt.Sprintf(` xml:base="%s" %s`, escape(c.origin()+c.base), atomNamespaces)))
}

func (c *call) jsonEntity(t *Set, key string, e *entity) map[string]any {
	values := maps.Clone(e.values)
	values["__metadata"] = map[string]any{"uri": c.uri(t, key), "type": c.service.Name + "." + t.EntityType, "etag": e.etag()}
	return values
}

const atomNamespaces = `xmlns="http://www.w3.org/2005/Atom" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"`

func (c *call) atomEntry(t *Set, key string, e *entity, attributes string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<entry%s m:etag="%s"><id>%s</id><title type="text">%s</title><category term="%s.%s" scheme="http://schemas.microsoft.com/ado/2007/08/dataservices/scheme"/><content type="application/xml"><m:properties>`,
		attributes, escape(e.etag()), escape(c.uri(t, key)), escape(t.Name+"('"+key+"')"), escape(c.service.Name), escape(t.EntityType))
	for _, name := range slices.Sorted(maps.Keys(e.values)) {
		fmt.Fprintf(&b, `<d:%[1]s>%[2]s</d:%[1]s>`, escape(name), escape(fmt.Sprint(e.values[name])))
	}
	b.WriteString(`</m:properties></content></entry>`)
	return b.String()
}

func (c *call) fail(p *problem) {
	if c.json {
		c.write(p.status, "application/json", mustJSON(map[string]any{"error": map[string]any{"code": p.code, "message": map[string]any{"lang": "en", "value": p.message}}}))
		return
	}
	c.writeXML(p.status, "application/xml", fmt.Sprintf(`<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code>%s</code><message xml:lang="en">%s</message></error>`, escape(p.code), escape(p.message)))
}

func (c *call) writeJSON(status int, d any) {
	c.write(status, "application/json", mustJSON(map[string]any{"d": d}))
}

func (c *call) writeXML(status int, contentType, document string) {
	c.write(status, contentType, []byte(`<?xml version="1.0" encoding="utf-8"?>`+"\n"+document))
}

func (c *call) write(status int, contentType string, body []byte) {
	c.w.Header().Set("Content-Type", contentType)
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

// mustJSON encodes values that were decoded from JSON or are texts, which always works.
func mustJSON(value any) []byte {
	body, _ := json.Marshal(value)
	return body
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
