package connector

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// Limits of what a definition may ask for.
const (
	maxBodyLimit   = 64 << 20
	maxPacketLimit = 4 << 20
	minTokenLife   = time.Minute
	maxTokenLife   = 24 * time.Hour
)

// validate checks what the schema cannot: expressions and what they read, references, and what has to be
// unique or to fit together. It reports everything at once.
func (d *Definition) validate() Problems {
	problems := d.checkValues()
	problems = append(problems, d.readCatalog()...)
	for _, name := range sortedKeys(d.Parameters) {
		d.Parameters[name].validate(joinPath("parameters", name), &problems)
	}
	for _, auth := range d.System.Auth {
		auth.validate("system.auth", &problems)
	}
	d.validateAPIs(&problems)
	d.validateDeliveries(&problems)
	d.validateWebhooks(&problems)
	d.validateRelay(&problems)
	unique(&problems, "manual", "id", d.Manual, func(m Manual) string { return m.ID })
	return problems
}

// checkValues compiles every expression for its place and checks which parameters it reads.
func (d *Definition) checkValues() Problems {
	var problems Problems
	eachValue(reflect.ValueOf(d).Elem(), place{}, func(at place, v *Value) {
		if err := v.compile(at.scope, at.kind); err != nil {
			problems.add(at.path, "", "%s", err)
			return
		}
		if v.program == nil {
			return
		}
		for _, name := range v.program.Parameters() {
			parameter, known := d.Parameters[name]
			switch {
			case !known:
				d.unknownParameter(&problems, at.path, name)
			case parameter.Kind == KindSecret && !at.secrets:
				problems.add(at.path, "secrets may flow into auth, requestParameters, verify, token, webhooks and relay.to only; secretRef() in manual steps says where to read one",
					"reads the secret parameter %q", name)
			}
		}
		for _, name := range v.program.Lists() {
			if parameter, known := d.Parameters[name]; known && parameter.Kind != KindList {
				problems.add(at.path, "use param()", "params() reads lists, and the parameter %q is of kind %s", name, parameter.Kind)
			}
		}
		for _, name := range v.program.SecretRefs() {
			if _, known := d.Parameters[name]; !known {
				d.unknownParameter(&problems, at.path, name)
			}
		}
	})
	return problems
}

func (d *Definition) unknownParameter(problems *Problems, path, name string) {
	problems.add(path, "declare it under parameters"+didYouMean(name, maps.Keys(d.Parameters)), "there is no parameter %q", name)
}

func (p Parameter) validate(path string, problems *Problems) {
	if p.Pattern != "" {
		if _, err := wholePattern(p.Pattern); err != nil {
			problems.add(path+".pattern", "", "does not compile: %s", err)
			return
		}
	}
	check := func(field, value string) {
		if value == "" {
			return
		}
		if _, _, wrong := p.normalise(value); wrong != "" {
			problems.add(path+"."+field, "", "is no valid value: %s", wrong)
		}
	}
	if p.Kind == KindSecret {
		if p.Default != "" || p.Example != "" || len(p.Enum) > 0 {
			problems.add(path, "remove them", "a secret has no default, example or enum")
		}
	} else {
		check("default", p.Default)
		check("example", p.Example)
	}
	if p.Required && p.Default != "" {
		problems.add(path, "remove one of the two", "is required and has a default")
	}
	p.validateGenerate(path, problems)
}

// minGenerated is the number of random characters that a generated secret needs: 20 characters out of 62
// are 119 bits.
const minGenerated = 20

func (p Parameter) validateGenerate(path string, problems *Problems) {
	if p.Generate == nil {
		return
	}
	path += ".generate"
	switch {
	case p.Kind != KindText && p.Kind != KindSecret:
		problems.add(path, "", "only texts and secrets can be generated")
	case p.Required || p.Default != "":
		problems.add(path, "remove required and default", "a generated parameter may be left empty, and has no default")
	case p.Kind == KindSecret && p.Generate.Length < minGenerated:
		problems.add(path+".length", fmt.Sprintf("write at least %d", minGenerated), "a secret of %d random characters can be guessed", p.Generate.Length)
	case p.Generate.Length == 0:
		problems.add(path+".length", "add it", "is missing")
	default:
		for _, random := range []string{"a", "Z", "0"} {
			if _, _, wrong := p.normalise(p.Generate.Prefix + strings.Repeat(random, p.Generate.Length)); wrong != "" {
				problems.add(path, "change the pattern or the prefix", "what is generated would not be accepted: it has letters of both cases and digits, %s", wrong)
				return
			}
		}
	}
}

func (a Auth) validate(path string, problems *Problems) {
	switch {
	case a.APIKey != nil && (a.APIKey.Header == "") == (a.APIKey.Query == ""):
		problems.add(path+".apiKey", "", "want exactly one of header and query")
	case a.Header != nil && len(a.Header) == 0:
		problems.add(path+".header", "add a header", "is empty")
	case a.Query != nil && len(a.Query) == 0:
		problems.add(path+".query", "add a query parameter", "is empty")
	case a.OAuth2 != nil && !a.OAuth2.Form["grant_type"].IsSet() && (!a.OAuth2.ClientID.IsSet() || !a.OAuth2.ClientSecret.IsSet()):
		problems.add(path+".oauth2", "add clientId and clientSecret, or another grant_type to form", "the client credentials grant needs a client")
	}
}

// reservedID are the names of the event catalog, and of the Secrets of the system and of discovered APIs.
var reservedID = regexp.MustCompile(`^(events|system|item-[0-9]+)$`)

func (d *Definition) validateAPIs(problems *Problems) {
	listed := slices.DeleteFunc(slices.Clone(d.APIs), func(a API) bool { return a.Discover != nil })
	unique(problems, "apis", "id", listed, func(a API) string { return a.ID })
	unique(problems, "apis", "name", listed, func(a API) string { return a.Name.text })
	for i, api := range d.APIs {
		path := fmt.Sprintf("apis[%d]", i)
		if api.Discover == nil && api.ID == "" {
			problems.add(path+".id", "add it", "is missing")
		}
		if reservedID.MatchString(api.ID) {
			problems.add(path+".id", "choose another", "%q is a name that this product gives itself", api.ID)
		}
		if api.Discover != nil && api.ID != "" {
			problems.add(path+".id", "remove it: discover.id identifies each API", "an API that is discovered has no id here")
		}
		if !api.Name.IsSet() {
			problems.add(path+".name", "add it", "is missing")
		}
		if api.Kind == "" {
			problems.add(path+".kind", "add it", "is missing")
		}
		for _, p := range api.Paths {
			literalPath(problems, path+".path", p)
		}
		for _, auth := range api.Auth {
			auth.validate(path+".auth", problems)
		}
		if api.Probe != nil {
			literalPath(problems, path+".probe.path", api.Probe.Path)
			api.Probe.validate(path+".probe", api.Kind, problems)
		}
		if api.Discover != nil {
			literalPath(problems, path+".discover.get", api.Discover.Get)
		}
		d.validateSpecification(path+".specification", api, problems)
	}
}

func (p *Probe) validate(path string, kind APIKind, problems *Problems) {
	switch {
	case !p.Metadata:
	case kind != KindOData:
		problems.add(path+".metadata", "", "only OData services have $metadata")
	case p.Path.IsSet() || p.Method != "" || len(p.Status) > 0 || p.Expect.IsSet():
		problems.add(path+".metadata", "remove path, method, status and expect", "says already what is asked for and what is expected")
	}
}

func (d *Definition) validateSpecification(path string, api API, problems *Problems) {
	spec := api.Specification
	if spec == nil {
		return
	}
	literalPath(problems, path+".path", spec.Path)
	if spec.Metadata && api.Kind != KindOData {
		problems.add(path+".metadata", "", "only OData services have $metadata")
	}
	if !spec.URL.IsExpression() && spec.URL.IsSet() {
		if _, wrong := normaliseURL(spec.URL.text); wrong != "" {
			problems.add(path+".url", "", "%s", wrong)
		}
	}
	if spec.File == "" {
		return
	}
	if api.Kind == KindOData {
		data, err := d.File(spec.File)
		if err == nil {
			err = wellFormed(spec.File, data)
		}
		if err != nil {
			problems.add(path+".file", "", "%s", err)
		}
		return
	}
	document, err := d.Document(spec.File)
	switch {
	case err != nil:
		problems.add(path+".file", "", "%s", err)
	case api.Kind == KindOpenAPI && !gjson.GetBytes(document, "openapi").Exists() && !gjson.GetBytes(document, "swagger").Exists():
		problems.add(path+".file", "", "%s is no OpenAPI document: it has neither openapi nor swagger at its root", spec.File)
	}
}

// wellFormed reads an XML document to its end.
func wellFormed(name string, data []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(data))
	elements := 0
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && elements > 0:
			return nil
		case err != nil:
			return fmt.Errorf("%s is no XML: %w", name, err)
		}
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
}

func (d *Definition) validateDeliveries(problems *Problems) {
	unique(problems, "deliveries", "name", d.Deliveries, func(x Delivery) string { return x.Name })
	unique(problems, "deliveries", "http.path", d.Deliveries, func(x Delivery) string {
		if x.HTTP == nil {
			return ""
		}
		return strings.TrimRight(x.HTTP.Path, "/")
	})
	for i := range d.Deliveries {
		d.validateDelivery(fmt.Sprintf("deliveries[%d]", i), &d.Deliveries[i], problems)
	}
}

func (d *Definition) validateDelivery(path string, delivery *Delivery, problems *Problems) {
	if (delivery.HTTP == nil) == (delivery.MQTT == nil) {
		problems.add(path, "", "want exactly one of http and mqtt")
	}
	if h := delivery.HTTP; h != nil {
		if h.MaxBody > maxBodyLimit {
			problems.add(path+".http.maxBody", "write at most 64MiB", "is larger than the gateway takes")
		}
		if delivery.Verify.TokenInPath() && h.Subpaths {
			problems.add(path+".http.subpaths", "remove it", "does not go with verify.pathToken, which takes the rest of the path")
		}
	}
	if (delivery.Verify.Token != nil) != (delivery.Token != nil) {
		problems.add(path+".verify", "", "verify.token and token go together: one checks what the other issues")
	}
	if m := delivery.MQTT; m != nil {
		if m.MaxPacket > maxPacketLimit {
			problems.add(path+".mqtt.maxPacket", "write at most 4MiB", "is larger than the gateway takes")
		}
		if v := delivery.Verify; v.HMAC != nil || v.StandardWebhooks != nil || v.PathToken != nil || v.AnyOf != nil {
			problems.add(path+".verify", "choose token, basic, bearer or jwt", "an MQTT client proves who it is when it connects, by a header and not by its messages")
		}
	}
	if delivery.Token != nil {
		d.validateToken(path+".token", delivery.Token, problems)
	}
	delivery.Verify.HMAC.validate(path+".verify.hmac", problems)
	for i, p := range delivery.Verify.AnyOf {
		p.HMAC.validate(fmt.Sprintf("%s.verify.anyOf[%d].hmac", path, i), problems)
	}
	d.validateMapping(path, delivery, problems)
}

func (h *VerifyHMAC) validate(path string, problems *Problems) {
	if h == nil {
		return
	}
	if h.Timestamp.IsSet() != (h.Tolerance > 0) {
		problems.add(path, "", "timestamp and tolerance go together: they make the replay window")
	}
	for _, field := range []struct {
		name  string
		value Value
	}{{"message", h.Message}, {"signature", h.Signature}} {
		if !field.value.IsExpression() {
			problems.add(path+"."+field.name, "write an expression such as =rawBody", "is the same for every delivery")
		}
	}
}

func (d *Definition) validateToken(path string, t *TokenEndpoint, problems *Problems) {
	switch life := time.Duration(t.Lifetime); {
	case life == 0:
	case life < minTokenLife:
		problems.add(path+".lifetime", "write at least 1m", "is too short: a client would do little else than ask for tokens")
	case life > maxTokenLife:
		problems.add(path+".lifetime", "write at most 24h", "is too long")
	}
	if len(t.Client.Secrets) == 0 {
		problems.add(path+".client.secret", "add one", "is empty")
	}
	if len(t.SigningKeys) == 0 {
		problems.add(path+".signingKey", "add a generated secret parameter", "is empty")
	}
	var known []string
	for _, v := range t.Client.Secrets {
		known = append(known, v.Parameters()...)
	}
	for _, v := range t.SigningKeys {
		secret := func(name string) bool { return d.Parameters[name].Kind == KindSecret }
		if !slices.ContainsFunc(v.Parameters(), secret) {
			problems.add(path+".signingKey", "read it from a generated secret parameter, such as =param(\"token_signing_key\")", "everybody who reads the definition could sign tokens")
		}
		if slices.ContainsFunc(v.Parameters(), func(name string) bool { return slices.Contains(known, name) }) {
			problems.add(path+".signingKey", "use a parameter of its own", "is the client's secret, by which the client could sign tokens itself")
		}
	}
}

func (d *Definition) validateMapping(path string, delivery *Delivery, problems *Problems) {
	if !delivery.Event.ID.IsExpression() {
		problems.add(path+".event.id", "make it from the delivery: =body(\"id\"), say, or =hash(content)", "is the same for every delivery, so that all but the first would be duplicates")
	}
	if delivery.Event.Type.IsSet() == (len(delivery.Types) > 0) {
		problems.add(path, "", "want exactly one of types and event.type")
	}
	version := delivery.Event.Version
	if t := delivery.Event.Type; t.IsSet() && !t.IsExpression() {
		d.checkEventType(path+".event.type", t.text, version, problems)
	}
	for i, rule := range delivery.Types {
		d.checkEventType(fmt.Sprintf("%s.types[%d].type", path, i), rule.Type, version, problems)
	}
}

// checkEventType checks a type that a definition names literally: it has to survive in Kyma and to be in the
// catalog, if there is one.
func (d *Definition) checkEventType(path, name string, version Value, problems *Problems) {
	if err := event.CheckType(name); err != nil {
		problems.add(path, "choose a name of letters, digits and dots", "%s", err)
		return
	}
	if d.Events == nil || version.IsExpression() || len(d.eventTypes) == 0 {
		return
	}
	full := EventType{Name: name, Version: "v1"}
	if version.IsSet() {
		full.Version = version.text
	}
	if !slices.ContainsFunc(d.eventTypes, func(t EventType) bool { return t.FullType() == full.FullType() }) {
		problems.add(path, "add the channel "+full.FullType(), "is not in the event catalog %s", d.Events.Catalog)
	}
}

func (d *Definition) validateRelay(problems *Problems) {
	unique(problems, "relay", "name", d.Relay, func(r Relay) string { return r.Name })
	unique(problems, "relay", "from.path", d.Relay, func(r Relay) string { return strings.TrimRight(r.From.Path, "/") })
	for i := range d.Relay {
		r, path := &d.Relay[i], fmt.Sprintf("relay[%d]", i)
		for j := range d.Deliveries {
			if d.Deliveries[j].HTTP.covers(r.From.Path) {
				problems.add(path+".from.path", "choose another", "belongs to deliveries[%d], which the world outside may call", j)
			}
		}
		r.To.validateRelayTo(path+".to", problems)
	}
}

// covers says whether requests of a path belong to the webhook.
func (h *HTTP) covers(path string) bool {
	if h == nil {
		return false
	}
	rest, below := strings.CutPrefix(strings.TrimRight(path, "/"), strings.TrimRight(h.Path, "/"))
	return below && (rest == "" || rest[0] == '/')
}

// maxBatchAge bounds how long an event waits for others: where nothing is stored, Kyma waits with it.
const maxBatchAge = 10 * time.Second

// minSchemaRefresh keeps a system from being asked for its schema all the time.
const minSchemaRefresh = time.Minute

func (t *RelayTo) validateRelayTo(path string, problems *Problems) {
	t.validate(path, problems)
	literalPath(problems, path+".single", t.Single)
	if method, _ := t.Method(); method == "GET" || method == "DELETE" {
		problems.add(path, "use post, put or patch", "%s carries no events", strings.ToLower(method))
	}
	if t.JSON != nil || t.Form != nil {
		problems.add(path, "use map.data", "has a body of its own, but the body is made of the events")
	}
	if b := t.Batch; b != nil {
		switch {
		case b.Bytes > maxBodyLimit:
			problems.add(path+".batch.bytes", "write at most 64MiB", "is too large")
		case time.Duration(b.Age) > maxBatchAge:
			problems.add(path+".batch.age", "write at most 10s", "is too long: the sender of an event may have to wait for the answer")
		case t.Format == "single" && b.Count != 1:
			problems.add(path+".batch.count", "write 1", "the format single sends one event at a time")
		}
	}
	if s := t.Schema; s != nil {
		literalPath(problems, path+".schema.get", s.Get)
		if s.Refresh != 0 && time.Duration(s.Refresh) < minSchemaRefresh {
			problems.add(path+".schema.refresh", "write at least 1m", "is too often")
		}
	}
}

// literalPath checks a path that is no expression.
func literalPath(problems *Problems, at string, v Value) {
	if v.IsSet() && !v.IsExpression() && !strings.HasPrefix(v.text, "/") {
		problems.add(at, "begin it with /", "%q is no path", v.text)
	}
}

// unique reports items with equal keys; empty keys do not count.
func unique[T any](problems *Problems, list, field string, items []T, key func(T) string) {
	seen := map[string]int{}
	for i, item := range items {
		k := key(item)
		if k == "" {
			continue
		}
		if first, ok := seen[k]; ok {
			problems.add(fmt.Sprintf("%s[%d].%s", list, i, field), "choose another", "%q is used by %s[%d] too", k, list, first)
			continue
		}
		seen[k] = i
	}
}
