package connector_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

const c4cFiles = "../../charts/c4c-connector/files"

func TestLoadShippedDefinition(t *testing.T) {
	t.Parallel()
	d, err := connector.Load(os.DirFS(c4cFiles))
	require.NoError(t, err)
	params, err := d.ReadParams("../../charts/c4c-connector/samples/params.yaml")
	require.NoError(t, err)
	auth, err := d.SelectAuth(d.System.Auth, params)
	require.NoError(t, err)
	assert.Equal(t, []string{"basic_user", "basic_password"}, auth.Parameters())
	assert.Contains(t, d.EventTypes(), connector.EventType{Name: "Ticket.Root.Created", Version: "v1", Summary: "A ticket (service request) was created."})
	assert.Equal(t, "webhook", d.Callback().Name)
}

// acme is a complete definition, which the tests below damage one line at a time.
const acme = `apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: acme, displayName: ACME, provider: ACME, product: ACME Shop}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  user: {kind: text, title: User}
  tags: {kind: list, title: Tags}
  password: {kind: secret, title: Password, required: true}
  key: {kind: secret, title: Key, generate: {length: 32}}
application: acme
system:
  url: =param("system_url")
  auth: {basic: {username: =param("user"), password: =param("password")}}
apis:
  - id: shop
    name: Shop API
    kind: openapi
    path: /v1
    probe: {path: /v1/ping, expect: =status == 200 and response("ok") == "true"}
    specification: {file: apis/shop.yaml}
  - name: =item("name")
    kind: odata
    path: =item("path")
    discover: {get: /services, query: {tag: =params("tags")}, items: d.results, id: =item("name")}
events: {name: Events, catalog: events/asyncapi.yaml}
deliveries:
  - name: webhook
    http: {path: /acme, maxBody: 256KiB}
    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param("key")], message: =rawBody, signature: =header("X-Signature")}}
    types:
      - {when: =header("X-Event") == "order", type: order.created, topic: order}
    event: {id: =body("id"), data: =json()}
webhooks:
  mode: dynamic
  list: {get: /hooks, items: hooks, id: id, callback: url, topic: topic}
  create: {post: /hooks, json: {url: =callback, key: =param("key"), active: true}, id: id}
  delete: {delete: ="/hooks/" + id}
  recreateWhen: [key]
relay:
  - name: orders
    from: {types: [order.paid.v1], path: /relay}
    to: {post: /orders, headers: {X-Key: =param("key")}, batch: {count: 10, bytes: 64KiB, age: 1s}}
    map: {data: =data}
    success: =status < 300
manual:
  - id: look
    title: Look
    steps: [Open the settings, '="Enter " + callback', '=secretRef("key")']
`

const catalog = `asyncapi: 2.0.0
channels:
  order.created.v1: {subscribe: {summary: An order was created.}}
`

func directory(definition string) fstest.MapFS {
	return fstest.MapFS{
		"connector.yaml":       {Data: []byte(definition)},
		"events/asyncapi.yaml": {Data: []byte(catalog)},
		"events/versions.yaml": {Data: []byte("asyncapi: 2.0.0\nchannels: {order.created: {}}")},
		"events/unsafe.yaml":   {Data: []byte("asyncapi: 2.0.0\nchannels: {order_created.v1: {}}")},
		"events/empty.yaml":    {Data: []byte("asyncapi: 2.0.0")},
		"events/list.yaml":     {Data: []byte("asyncapi: 2.0.0\nchannels: [a]")},
		"apis/shop.yaml":       {Data: []byte("openapi: 3.0.0")},
		"apis/other.yaml":      {Data: []byte("a: b")},
		"apis/broken.json":     {Data: []byte("{: a")},
	}
}

func TestLoadEverything(t *testing.T) {
	t.Parallel()
	d, err := connector.Load(directory(acme))
	require.NoError(t, err)
	assert.Equal(t, connector.Size(256<<10), d.Deliveries[0].HTTP.MaxBody)
	method, path := d.Webhooks[0].Delete.Method()
	assert.Equal(t, "DELETE", method)
	assert.Equal(t, `="/hooks/" + id`, path.Source())

	params, err := d.ResolveParams(map[string]string{"system_url": "https://x.example.com", "password": "p", "key": "k", "tags": "a,b"})
	require.NoError(t, err)
	in := params.Input()
	in.Vars = map[string]string{"id": "7", "callback": "https://gw/acme"}
	text, err := path.Text(in)
	require.NoError(t, err)
	assert.Equal(t, "/hooks/7", text)
	body, err := d.Webhooks[0].Create.JSON.JSON(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"url":"https://gw/acme","key":"k","active":true}`, string(body))
	tags, err := d.APIs[1].Discover.Query["tag"].List(in)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, tags)
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ old, new, want string }{
		"unknown field":                {"    kind: openapi", "    knd: openapi", `apis[0].knd: unknown field; remove it, or did you mean "kind"?`},
		"field in the wrong place":     {"    kind: openapi", "    kind: openapi\n    algorithm: x", "apis[0].algorithm: unknown field; it belongs somewhere else: check the indentation"},
		"missing field":                {"    steps: [Open", "    x: [Open", "manual[0].steps: is missing"},
		"other version":                {"v1alpha1", "v9", "apiVersion: want one of connectors.kyma-connectors.io/v1alpha1"},
		"wrong type":                   {"tags: {kind: list", "tags: {required: 7, kind: list", "parameters.tags.required: want boolean, not integer"},
		"wrong choice":                 {"algorithm: sha256", "algorithm: md5", "deliveries[0].verify.hmac.algorithm: want one of sha1, sha256, sha512"},
		"two ways to verify":           {"verify: {hmac:", "verify: {token: {}, hmac:", "deliveries[0].verify: want exactly one member, not hmac, token"},
		"no way to verify":             {`password: =param("password")}}`, `password: =param("password")}, none: {}}`, "system.auth: want exactly one member, not basic, none"},
		"bad name":                     {"metadata: {name: acme", "metadata: {name: Acme", "metadata.name: does not match"},
		"size":                         {"maxBody: 256KiB", "maxBody: 256KB", "deliveries[0].http.maxBody: does not match"},
		"duration":                     {"age: 1s", "age: 1 second", "relay[0].to.batch.age: does not match"},
		"not YAML":                     {"kind: Connector", "kind: [", "correct the YAML"},
		"duplicate key":                {"kind: Connector", "kind: Connector\nkind: Connector", `key "kind" already set`},
		"bad expression":               {`=param("user")`, `=param("user"`, "system.auth.basic.username: "},
		"name out of its scope":        {`message: =rawBody`, `message: =callback`, "deliveries[0].verify.hmac.message: callback cannot be used here: this place sees a delivery"},
		"wrong result":                 {`success: =status < 300`, `success: =status`, "relay[0].success: the expression gives a number"},
		"type before it is known":      {`when: =header("X-Event")`, `when: =type`, "deliveries[0].types[0].when: type cannot be used here"},
		"literal boolean":              {"success: =status < 300", "success: maybe", `relay[0].success: want true, false or an expression, not "maybe"`},
		"unknown parameter":            {`=param("user")`, `=param("usr")`, `system.auth.basic.username: there is no parameter "usr"; declare it under parameters, or did you mean "user"?`},
		"params of no list":            {`=params("tags")`, `=params("user")`, `apis[1].discover.query.tag: params() reads lists`},
		"secretRef of nothing":         {`secretRef("key")`, `secretRef("kex")`, `manual[0].steps[2]: there is no parameter "kex"`},
		"secret in a URL":              {`url: =param("system_url")`, `url: ="https://" + param("password")`, `system.url: reads the secret parameter "password"; secrets may flow into auth`},
		"secret in an event":           {`data: =json()`, `data: =param("key")`, `deliveries[0].event.data: reads the secret parameter "key"`},
		"secret in manual steps":       {`=secretRef("key")`, `=param("key")`, `manual[0].steps[2]: reads the secret parameter "key"`},
		"$metadata of no OData":        {`probe: {path: /v1/ping, expect: =status == 200 and response("ok") == "true"}`, `probe: {metadata: true}`, "apis[0].probe.metadata: only OData services have $metadata"},
		"secret in a probe":            {`expect: =status`, `expect: =param("key") == "" and status`, `apis[0].probe.expect: reads the secret parameter "key"`},
		"secret in a relayed document": {`map: {data: =data}`, `map: {data: =param("key")}`, `relay[0].map.data: reads the secret parameter "key"`},
		"secret with a default":        {"title: Password, required", "title: Password, default: x, required", "parameters.password: a secret has no default"},
		"default that is none":         {"user: {kind: text", "user: {default: 'a', enum: [b], kind: text", "parameters.user.default: is no valid value: want one of b"},
		"example that is none":         {"system_url: {kind: url", "system_url: {example: 'http://x', kind: url", "parameters.system_url.example: is no valid value"},
		"pattern":                      {"user: {kind: text", "user: {pattern: '(', kind: text", "parameters.user.pattern: does not compile"},
		"required with a default":      {"system_url: {kind: url", "system_url: {default: 'https://x', kind: url", "parameters.system_url: is required and has a default"},
		"generated and required":       {"generate: {length: 32}", "required: true, generate: {length: 32}", "parameters.key.generate: a generated parameter may be left empty"},
		"generated too short":          {"generate: {length: 32}", "generate: {length: 8}", "can be guessed"},
		"generated without a length":   {"user: {kind: text", "user: {generate: {prefix: a}, kind: text", "parameters.user.generate.length: is missing"},
		"generated list":               {"tags: {kind: list", "tags: {generate: {length: 20}, kind: list", "only texts and secrets"},
		"generated against pattern":    {"user: {kind: text", "user: {generate: {length: 9}, pattern: '[a-z]+', kind: text", "would not be accepted"},
		"API without id":               {"  - id: shop\n    name", "  - name", "apis[0].id: is missing"},
		"discovered API with an id":    {`  - name: =item("name")`, "  - id: x\n    name: =item(\"name\")", "apis[1].id: an API that is discovered"},
		"API without name":             {"    name: Shop API\n", "", "apis[0].name: is missing"},
		"API without kind":             {"    kind: openapi\n", "", "apis[0].kind: is missing"},
		"the same id twice":            {"  - id: shop", "  - {id: shop, name: X, kind: rest}\n  - id: shop", `apis[1].id: "shop" is used by apis[0] too`},
		"path without slash":           {"path: /v1\n", "path: v1\n", `apis[0].path: "v1" is no path; begin it with /`},
		"no specification file":        {"apis/shop.yaml", "apis/none.yaml", "apis[0].specification.file: there is no file apis/none.yaml"},
		"no OpenAPI document":          {"apis/shop.yaml", "apis/other.yaml", "is no OpenAPI document"},
		"broken specification":         {"apis/shop.yaml", "apis/broken.json", "is neither JSON nor YAML"},
		"metadata of no OData":         {"{file: apis/shop.yaml}", "{metadata: true}", "only OData services"},
		"specification by http":        {"{file: apis/shop.yaml}", "{url: 'http://x/y'}", "apis[0].specification.url: want https"},
		"no catalog":                   {"events/asyncapi.yaml", "events/none.yaml", "events.catalog: there is no file events/none.yaml"},
		"catalog that is none":         {"events/asyncapi.yaml", "apis/other.yaml", "is no AsyncAPI 2 document"},
		"type not in the catalog":      {"type: order.created", "type: order.paid", "deliveries[0].types[0].type: is not in the event catalog"},
		"version not in the catalog":   {"event: {id:", "event: {version: v2, id:", "add the channel order.created.v2"},
		"unsafe type":                  {"type: order.created", "type: order_created", "which Kyma removes"},
		"types and event.type":         {"event: {id:", "event: {type: order.created, id:", "deliveries[0]: want exactly one of types and event.type"},
		"constant id":                  {`id: =body("id")`, `id: one`, "deliveries[0].event.id: is the same for every delivery"},
		"constant signature":           {`signature: =header("X-Signature")`, `signature: abc`, "deliveries[0].verify.hmac.signature: is the same for every delivery"},
		"timestamp without tolerance":  {`message: =rawBody`, `message: =rawBody, timestamp: =header("T")`, "timestamp and tolerance go together"},
		"neither http nor mqtt":        {"    http: {path: /acme, maxBody: 256KiB}\n", "", "deliveries[0]: want exactly one of http and mqtt"},
		"huge bodies":                  {"maxBody: 256KiB", "maxBody: 1GiB", "is larger than the gateway takes"},
		"token without endpoint":       {`verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param("key")], message: =rawBody, signature: =header("X-Signature")}}`, "verify: {token: {}}", "verify.token and token go together"},
		"two calls in one":             {"create: {post: /hooks", "create: {put: /x, post: /hooks", "webhooks.create: want exactly one of get, post"},
		"two bodies in one":            {"create: {post: /hooks", "create: {form: {a: b}, post: /hooks", "at most one of json and form"},
		"recreate for nothing":         {"recreateWhen: [key]", "recreateWhen: [kye]", `there is no parameter "kye"; declare it under parameters, or did you mean "key"?`},
		"instances of nothing":         {"  mode: dynamic", "  mode: static\n  each: instance\n  delivery: webhok", `webhooks.delivery: there is no delivery by HTTP called "webhok"`},
		"relay with a body":            {"to: {post: /orders,", "to: {post: /orders, json: {},", "relay[0].to: has a body of its own"},
		"channel without version":      {"{name: Events, catalog: events/asyncapi.yaml}", "{name: Events, catalog: events/versions.yaml}", `the channel "order.created" does not end in a version; call it order.created.v1`},
		"channel with an unsafe name":  {"{name: Events, catalog: events/asyncapi.yaml}", "{name: Events, catalog: events/unsafe.yaml}", "which Kyma removes"},
		"catalog without channels":     {"{name: Events, catalog: events/asyncapi.yaml}", "{name: Events, catalog: events/empty.yaml}", "has no channels"},
		"channels that are none":       {"{name: Events, catalog: events/asyncapi.yaml}", "{name: Events, catalog: events/list.yaml}", "its channels cannot be read"},
		"broken EDMX":                  {`    path: =item("path")`, "    path: =item(\"path\")\n    specification: {file: apis/broken.json}", "apis[1].specification.file: apis/broken.json is no XML"},
		"key in two places":            {`auth: {basic: {username: =param("user"), password: =param("password")}}`, `auth: {apiKey: {header: a, query: b, value: =param("password")}}`, "system.auth.apiKey: want exactly one of header and query"},
		"no header":                    {`auth: {basic: {username: =param("user"), password: =param("password")}}`, `auth: {header: {}}`, "system.auth.header: is empty"},
		"no query":                     {`auth: {basic: {username: =param("user"), password: =param("password")}}`, `auth: {query: {}}`, "system.auth.query: is empty"},
		"subpaths and one of several":  {"http: {path: /acme, maxBody: 256KiB}\n    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param(\"key\")], message: =rawBody, signature: =header(\"X-Signature\")}}", "http: {path: /acme, subpaths: true}\n    verify: {anyOf: [{pathToken: {tokens: [=param(\"key\")]}}, {bearer: {tokens: [=param(\"key\")]}}]}", "does not go with verify.pathToken"},
		"signature of nothing":         {"verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param(\"key\")], message: =rawBody, signature: =header(\"X-Signature\")}}", "verify: {anyOf: [{pathToken: {tokens: [=param(\"key\")]}}, {hmac: {algorithm: sha256, encoding: hex, keys: [=param(\"key\")], message: hello, signature: =header(\"X-Signature\")}}]}", "deliveries[0].verify.anyOf[1].hmac.message: is the same for every delivery"},
		"any of one":                   {"verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param(\"key\")], message: =rawBody, signature: =header(\"X-Signature\")}}", "verify: {anyOf: [{bearer: {tokens: [=param(\"key\")]}}]}", "deliveries[0].verify.anyOf"},
		"subpaths and a path token":    {"http: {path: /acme, maxBody: 256KiB}\n    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param(\"key\")], message: =rawBody, signature: =header(\"X-Signature\")}}", "http: {path: /acme, subpaths: true}\n    verify: {pathToken: {tokens: [=param(\"key\")]}}", "does not go with verify.pathToken"},
		"two deliveries to call":       {"deliveries:\n", "deliveries:\n  - {name: other, http: {path: /other}, verify: {bearer: {tokens: [=param(\"key\")]}}, event: {type: order.created, id: =body(\"id\"), data: =json()}}\n", "webhooks.delivery: there is not exactly one delivery by HTTP"},
		"empty list of keys":           {`keys: [=param("key")]`, `keys: []`, "deliveries[0].verify.hmac.keys: must not be an empty list"},
		"empty title":                  {"title: Look", "title: ''", "manual[0].title: must not be empty"},
		"parameter name":               {"  user: {", "  user-name: {kind: text, title: X}\n  user: {", "parameters: a name is not allowed: user-name"},
		"status out of range":          {"specification: {file: apis/shop.yaml}", "specification: {file: apis/shop.yaml}\n    discover: {get: /x, id: x, limit: 100000}", "apis[0].discover.limit"},
		"webhooks without topics":      {"    types:\n      - {when: =header(\"X-Event\") == \"order\", type: order.created, topic: order}\n    event: {", "    event: {type: order.created, ", "webhooks.topics: there is no topic that a webhook could ask for"},
		"dynamic without types":        {"  mode: dynamic", "  mode: dynamic\n  topics: [{topic: order}]", "dynamic needs to know which topic"},
		"topic of an unknown type":     {"  mode: dynamic", "  mode: dynamic\n  topics: [{topic: order, types: [order.craeted]}]", `webhooks.topics[0].types[0]: there is no event type "order.craeted"; choose one that the event catalog has, or did you mean "order.created"?`},
		"unknown mode":                 {"  mode: dynamic", "  mode: sometimes", "webhooks.mode: want static, dynamic or an expression"},
		"several without names":        {"webhooks:\n  mode: dynamic", "webhooks:\n- {create: {post: /x, id: id}, list: {get: /x, id: id, callback: u}}\n- mode: dynamic", "webhooks[0].name: is missing"},
		"webhooks that nobody lists":   {"  list: {get: /hooks, items: hooks, id: id, callback: url, topic: topic}\n", "", "webhooks.list: is missing: without it nobody knows"},
		"topic that nobody can tell":   {", topic: topic}", "}", "webhooks.list.topic: is missing"},
		"webhook without an id":        {", active: true}, id: id}", ", active: true}}", "webhooks.create.id: is missing"},
		"deletion by a GET":            {`delete: {delete: ="/hooks/" + id}`, `delete: {get: ="/hooks/" + id}`, "webhooks.delete: a GET changes nothing"},
		"name of a generated Secret":   {"  - id: shop", "  - id: item-0", `apis[0].id: "item-0" is a name that this product gives itself`},
		"grant without a client":       {`auth: {basic: {username: =param("user"), password: =param("password")}}`, `auth: {oauth2: {tokenUrl: "https://x/y"}}`, "system.auth.oauth2: the client credentials grant needs a client"},
		"unknown policy":               {"kind: Connector", "kind: Connector\npolicy: mirror", "policy: want one of create-only, sync, upsert"},
		"relay of single events":       {"to: {post: /orders,", "to: {format: single, post: /orders,", "sends one event at a time"},
		"relay that waits too long":    {"age: 1s", "age: 11s", "relay[0].to.batch.age: is too long"},
		"relay by GET":                 {"to: {post: /orders,", "to: {get: /orders,", "relay[0].to: get carries no events"},
		"relay path of a webhook":      {"path: /relay}", "path: /acme/}", "relay[0].from.path: belongs to deliveries[0]"},
		"relay path below a webhook":   {"path: /relay}", "path: /acme/relay}", "relay[0].from.path: belongs to deliveries[0]"},
		"schema that is no path":       {"to: {post: /orders,", "to: {schema: {get: model}, post: /orders,", `relay[0].to.schema.get: "model" is no path`},
		"schema asked for too often":   {"to: {post: /orders,", "to: {schema: {get: /model, refresh: 1s}, post: /orders,", "relay[0].to.schema.refresh: is too often"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, acme, tc.old)
			_, err := connector.Load(directory(strings.Replace(acme, tc.old, tc.new, 1)))
			require.ErrorContains(t, err, tc.want)
			assert.ErrorContains(t, err, "definition connector.yaml: ")
		})
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	damaged := strings.NewReplacer(`=param("user")`, `=param("usr")`, "path: /v1\n", "path: v1\n", "id: =body(\"id\")", "id: one").Replace(acme)
	_, err := connector.Load(directory(damaged))
	var problems connector.Problems
	require.ErrorAs(t, err, &problems)
	assert.Len(t, problems, 3)
	assert.ErrorContains(t, err, "3 problems:")
}

func TestLoadHalfWrittenDefinition(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ definition, want string }{
		"empty":     {" \n", "connector.yaml is empty; check that it was written or mounted completely"},
		"truncated": {acme[:strings.Index(acme, "application:")], "is missing"},
		"cut off":   {acme[:len(acme)-20], "check that the file was written completely"},
		"too large": {strings.Repeat("#", 9<<20), "larger than 8 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connector.Load(directory(tc.definition))
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := connector.Load(fstest.MapFS{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "there is no file connector.yaml")
}

func TestLoadSurvivesAliasBombs(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += string(i) + ": &" + string(i) + " [" + strings.Repeat("*"+string(i-1)+",", 9) + "*" + string(i-1) + "]\n"
	}
	_, err := connector.Load(directory(bomb))
	require.Error(t, err)
}

func TestSelectAuth(t *testing.T) {
	t.Parallel()
	definition := strings.Replace(acme, `auth: {basic: {username: =param("user"), password: =param("password")}}`, `auth:
    - {jwt: {algorithm: RS256, key: =param("key"), claims: {jti: =nonce, admin: true}}}
    - {basic: {username: =param("user"), password: =param("password")}}`, 1)
	d, err := connector.Load(directory(definition))
	require.NoError(t, err)
	values := map[string]string{"system_url": "https://x.example.com", "password": "p", "user": "u"}

	params, err := d.ResolveParams(values, connector.WithoutGenerated())
	require.NoError(t, err)
	auth, err := d.SelectAuth(d.System.Auth, params)
	require.NoError(t, err)
	assert.NotNil(t, auth.Basic, "the first alternative that is complete")

	values["key"] = "k"
	params, err = d.ResolveParams(values)
	require.NoError(t, err)
	auth, err = d.SelectAuth(d.System.Auth, params)
	require.NoError(t, err)
	require.NotNil(t, auth.JWT)
	in := params.Input()
	in.Vars = map[string]string{"nonce": "n"}
	claim, err := auth.JWT.Claims["admin"].JSON(in)
	require.NoError(t, err)
	assert.Equal(t, "true", string(claim))

	delete(values, "key")
	delete(values, "user")
	params, err = d.ResolveParams(values, connector.WithoutGenerated())
	require.NoError(t, err)
	_, err = d.SelectAuth(d.System.Auth, params)
	require.ErrorContains(t, err, "give a value to one of: key, user")
	_, err = d.SelectAuth(d.System.Auth[1:], params)
	require.ErrorContains(t, err, `parameter "user": is needed to sign in`)

	auth, err = d.SelectAuth(nil, params)
	require.NoError(t, err)
	assert.NotNil(t, auth.None)
}

func TestValueLiterals(t *testing.T) {
	t.Parallel()
	literal := connector.Literal("=x")
	text, err := literal.Text(expression.Input{})
	require.NoError(t, err)
	assert.Equal(t, "=x", text, "a literal is no expression, whatever it looks like")
	list, err := literal.List(expression.Input{})
	require.NoError(t, err)
	assert.Equal(t, []string{"=x"}, list)
	var unset connector.Value
	assert.False(t, unset.IsSet())
	fallback, err := unset.Bool(expression.Input{}, true)
	require.NoError(t, err)
	assert.True(t, fallback)
	data, err := unset.JSON(expression.Input{})
	require.NoError(t, err)
	assert.Nil(t, data)
}

// FuzzLoad: no file makes Load panic or hang.
func FuzzLoad(f *testing.F) {
	f.Add(acme)
	f.Add("apiVersion: [")
	f.Add("parameters: {a: {kind: text, pattern: '(', default: x}}")
	f.Fuzz(func(t *testing.T, definition string) {
		if d, err := connector.Load(directory(definition)); err == nil {
			_, _ = d.ResolveParams(map[string]string{"system_url": "https://x.example.com"}, connector.WithoutGenerated())
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := connector.Load(os.DirFS(c4cFiles)); err != nil {
			b.Fatal(err)
		}
	}
}
