package expression_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

func input() expression.Input {
	body := []byte(`{"id":"i-1","n":12345678901234567890,"price":1.10,"null":null,"yes":true,"list":["a","b"],"nested":{"b":1,"a":"x"},"empty":""}`)
	return expression.Input{
		Params:    map[string]string{"user": "me", "tags": "a,b"},
		Lists:     map[string][]string{"tags": {"a", "b"}},
		SecretRef: func(name string) string { return "kubectl get secret " + name },
		Header:    http.Header{"X-Event": {"push"}, "Content-Type": {"application/json"}},
		Form:      url.Values{"Topic": {"t"}},
		Query:     url.Values{"q": {"v"}},
		Path:      []string{"one", "two"},
		RawBody:   body,
		Content:   body,
		Item:      []byte(`{"id":7,"tags":{"z":1,"a":2}}`),
		Index:     3,
		Vars:      map[string]string{"id": "sub-1", "type": "a.b", "topic": "top", "callback": "https://gw/x", "nonce": "n"},
		Status:    201,
		Answer:    []byte(`{"errorCode":0}`),
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	type scopes = expression.Scope
	for source, tc := range map[string]struct {
		scope scopes
		kind  expression.Kind
		want  any
	}{
		`param("user")`:        {expression.Parameters, expression.String, "me"},
		`param("none")`:        {expression.Parameters, expression.String, ""},
		`params("tags")`:       {expression.Parameters, expression.List, []string{"a", "b"}},
		`param("user") + "!"`:  {expression.Parameters, expression.List, []string{"me!"}},
		`["x", param("user")]`: {expression.Parameters, expression.List, []string{"x", "me"}},

		`body("id")`:                  {expression.Delivery, expression.String, "i-1"},
		`body("absent")`:              {expression.Delivery, expression.String, ""},
		`body("null")`:                {expression.Delivery, expression.String, ""},
		`body("n")`:                   {expression.Delivery, expression.String, "12345678901234567890"},
		`body("price")`:               {expression.Delivery, expression.String, "1.10"},
		`body("yes")`:                 {expression.Delivery, expression.String, "true"},
		`body("nested")`:              {expression.Delivery, expression.String, `{"b":1,"a":"x"}`},
		`body("list.#")`:              {expression.Delivery, expression.String, "2"},
		`body("list.1")`:              {expression.Delivery, expression.String, "b"},
		`header("x-event")`:           {expression.Delivery, expression.String, "push"},
		`form("Topic")`:               {expression.Delivery, expression.String, "t"},
		`query("q")`:                  {expression.Delivery, expression.String, "v"},
		`path(1) + path(2) + path(3)`: {expression.Delivery, expression.String, "onetwo"},
		`contentType`:                 {expression.Delivery, expression.String, "application/json"},
		`rawBody == content`:          {expression.Delivery, expression.Bool, true},
		`json("absent") == nil`:       {expression.Delivery, expression.Bool, true},
		`json("yes") == true`:         {expression.Delivery, expression.Bool, true},
		`"a" in json("list")`:         {expression.Delivery, expression.Bool, true},

		`item("id")`:                       {expression.Item, expression.String, "7"},
		`string(index) + "/" + item("id")`: {expression.Discovery, expression.String, "3/7"},
		`item()`:                           {expression.Discovery, expression.String, `{"id":7,"tags":{"z":1,"a":2}}`},

		`"/" + id`:              {expression.Webhook, expression.String, "/sub-1"},
		`callback`:              {expression.Manual, expression.String, "https://gw/x"},
		`secretRef("password")`: {expression.Manual, expression.String, "kubectl get secret password"},
		`nonce`:                 {expression.Claims, expression.Any, "n"},
		`status >= 200 and status < 300 and response("errorCode") in ["", "0"]`: {expression.Response, expression.Bool, true},

		`first("", body("absent"), "b", "c")`:                         {expression.Delivery, expression.String, "b"},
		`first("", "")`:                                               {expression.Delivery, expression.String, ""},
		`strip("sap.byd.X.v1", ["sap.", "sap.byd."], [".v1"])`:        {expression.Delivery, expression.String, "byd.X"},
		`capture("sap.c4c.X.v2", "\\.(v[0-9]+)$")`:                    {expression.Delivery, expression.String, "v2"},
		`capture("sap.c4c.X", "\\.(v[0-9]+)$")`:                       {expression.Delivery, expression.String, ""},
		`hash("ab", "c") != hash("a", "bc")`:                          {expression.Delivery, expression.Bool, true},
		`len(hash("a"))  == 32`:                                       {expression.Delivery, expression.Bool, true},
		`need(body("id"))`:                                            {expression.Delivery, expression.String, "i-1"},
		`lower("AB") + upper("c") + trim(" d ")`:                      {expression.Parameters, expression.String, "abCd"},
		`replace("a_b", "_", "")`:                                     {expression.Parameters, expression.String, "ab"},
		`split("a,b", ",")`:                                           {expression.Parameters, expression.List, []string{"a", "b"}},
		`body("id") matches "^i-[0-9]$"`:                              {expression.Delivery, expression.Bool, true},
		`body("id") startsWith "i" and not (body("id") endsWith "x")`: {expression.Delivery, expression.Bool, true},
		`string(json("price")) + string(json("yes"))`:                 {expression.Delivery, expression.String, "1.1true"},
		`int("7") + 1 == 8`:                                           {expression.Delivery, expression.Bool, true},
		`let x = body("id"); x + x`:                                   {expression.Delivery, expression.String, "i-1i-1"},
		`any(json("list"), # == "b")`:                                 {expression.Delivery, expression.Bool, true},
		`map(json("list"), # + "!")`:                                  {expression.Delivery, expression.List, []string{"a!", "b!"}},
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			program, err := expression.Compile(source, tc.scope, tc.kind)
			require.NoError(t, err)
			got, err := program.Eval(input())
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for source, tc := range map[string]struct {
		scope expression.Scope
		kind  expression.Kind
		want  string
	}{
		`header("X")`:                    {expression.Parameters, expression.String, "header cannot be used here: this place sees parameters; header belongs to a delivery"},
		`nonce`:                          {expression.Parameters, expression.String, "nonce belongs to the claims of a token"},
		`secretRef("x")`:                 {expression.Parameters, expression.String, "belongs to manual steps"},
		`item("x")`:                      {expression.Delivery, expression.String, "belongs to an item of a split delivery"},
		`content`:                        {expression.Webhook, expression.String, "content cannot be used here"},
		`unknown("x")`:                   {expression.Delivery, expression.String, "unknown name unknown (column 1)"},
		`"a" + `:                         {expression.Delivery, expression.String, "unexpected token EOF"},
		`json("x")`:                      {expression.Delivery, expression.String, "known only when it runs, but a text is wanted"},
		`1 + 1`:                          {expression.Delivery, expression.String, "gives a number"},
		`index`:                          {expression.Item, expression.String, "string() makes a text"},
		`body("x")`:                      {expression.Delivery, expression.Bool, "gives a text, but true or false is wanted"},
		`status`:                         {expression.Response, expression.List, "gives a number"},
		`body`:                           {expression.Delivery, expression.Any, "call it with ()"},
		`body("a", "b")`:                 {expression.Delivery, expression.String, "body() takes one name"},
		`body(form("x"))`:                {expression.Delivery, expression.String, `takes a plain text, as in body("name")`},
		`param("a" + "b")`:               {expression.Delivery, expression.String, `takes a plain text, as in param("name")`},
		`param("")`:                      {expression.Delivery, expression.String, "not empty"},
		`path(0)`:                        {expression.Delivery, expression.String, "does not take the number 0"},
		`path("a")`:                      {expression.Delivery, expression.String, "takes a number, counted from 1"},
		`header(1)`:                      {expression.Delivery, expression.String, "does not take the number"},
		`capture("a", "b")`:              {expression.Delivery, expression.String, "needs a group"},
		`capture("a", "(")`:              {expression.Delivery, expression.String, "missing closing )"},
		`capture("a", body("x"))`:        {expression.Delivery, expression.String, "has to be a plain text"},
		`body("x") matches body("y")`:    {expression.Delivery, expression.Bool, "pattern of matches has to be a plain text"},
		`body("x") matches "("`:          {expression.Delivery, expression.Bool, "missing closing )"},
		`need("a", "b")`:                 {expression.Delivery, expression.String, "need() takes one text"},
		`first(1)`:                       {expression.Delivery, expression.String, "cannot use int"},
		`now()`:                          {expression.Delivery, expression.Any, "unknown name now"},
		`date("2020-01-01")`:             {expression.Delivery, expression.Any, "unknown name date"},
		`duration("1h")`:                 {expression.Delivery, expression.Any, "unknown name duration"},
		`repeat("a", 9)`:                 {expression.Delivery, expression.Any, "unknown name repeat"},
		`keys({})`:                       {expression.Delivery, expression.Any, "unknown name keys"},
		`$env`:                           {expression.Delivery, expression.Any, "unknown name $env"},
		`rawJSON("a", "b")`:              {expression.Delivery, expression.Any, "unknown name rawJSON"},
		`content()`:                      {expression.Delivery, expression.Any, ""},
		strings.Repeat("1+", 3000) + "1": {expression.Delivery, expression.Any, "longer than 4096 bytes"},
		strings.Repeat("1+", 1500) + "1": {expression.Delivery, expression.Any, "exceeds maximum allowed nodes"},
	} {
		t.Run(source[:min(len(source), 40)], func(t *testing.T) {
			t.Parallel()
			_, err := expression.Compile(source, tc.scope, tc.kind)
			require.ErrorContains(t, err, tc.want)
			assert.NotContains(t, err.Error(), "\n", "an error is one line")
			assert.NotContains(t, strings.TrimPrefix(err.Error(), "unknown name $env"), "$env")
		})
	}
}

func TestEvalIsStrictAboutWhatIsAbsent(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`string(json("absent"))`:           "string() takes a scalar, not nothing (null)",
		`string(json("nested"))`:           "string() takes a scalar, not an object",
		`first("", json("list"))`:          "first() takes texts, not a list",
		`hash(json("absent"))`:             "hash() takes texts, not nothing (null)",
		`strip(json("absent"), [], [])`:    "strip() takes a text",
		`strip("a", [json("absent")], [])`: "takes prefixes that are texts",
		`capture(json("absent"), "(a)")`:   "capture() takes a text",
		`replace(json("absent"), "a", "")`: "replace() takes texts",
		`lower(json("absent"))`:            "nothing (null) where a text is wanted",
		`need(trim(body("absent")))`:       `trim(body("absent")) is empty`,
		`need(json("absent"))`:             "need() takes a text",
		`string("a" + json("absent"))`:     "string + <nil>",
		`string(int("hidden"))`:            "int() takes a whole number",
		`replace(rawBody, "", rawBody)`:    "",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			program, err := expression.Compile(source, expression.Delivery, expression.String)
			require.NoError(t, err)
			in := input()
			if want == "" {
				in.RawBody, want = []byte(strings.Repeat("a", 10000)), "makes more than"
			}
			_, err = program.Eval(in)
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestDeepDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	program, err := expression.Compile(`json("a") == nil`, expression.Delivery, expression.Bool)
	require.NoError(t, err)
	nested := func(depth int) expression.Input {
		return expression.Input{Content: []byte(`{"a":` + strings.Repeat("[", depth) + `"]\"["` + strings.Repeat("]", depth) + `}`)}
	}
	_, err = program.Eval(nested(expression.MaxDepth))
	require.NoError(t, err)
	_, err = program.Eval(nested(expression.MaxDepth + 1))
	require.ErrorContains(t, err, "more than 500 levels deep")
}

func TestSecretRefNeedsAnAnswer(t *testing.T) {
	t.Parallel()
	program, err := expression.Compile(`secretRef("password")`, expression.Manual, expression.String)
	require.NoError(t, err)
	_, err = program.Eval(expression.Input{})
	require.ErrorContains(t, err, `where to read the parameter "password"`)
}

func TestEmptyErrorIsFound(t *testing.T) {
	t.Parallel()
	program, err := expression.Compile(`need(body("message.eventId")) + "-1"`, expression.Delivery, expression.String)
	require.NoError(t, err)
	_, err = program.Eval(input())
	var empty *expression.EmptyError
	require.ErrorAs(t, err, &empty)
	assert.Equal(t, `body("message.eventId")`, empty.What)
}

func TestEvalJSONPassesDocumentsOnByteForByte(t *testing.T) {
	t.Parallel()
	in := input()
	for source, want := range map[string]string{
		`json("nested")`:   `{"b":1,"a":"x"}`,
		`json("n")`:        `12345678901234567890`,
		`json("price")`:    `1.10`,
		`json("absent")`:   `null`,
		`json()`:           string(in.Content),
		`content`:          string(in.Content),
		`rawBody`:          string(in.Content),
		`itemJSON()`:       string(in.Item),
		`itemJSON("tags")`: `{"z":1,"a":2}`,
		`{"number": json("n"), "text": body("id")}`: `{"number":12345678901234567890,"text":"i-1"}`,
		`[json("price"), [json("n")]]`:              `[1.10,[12345678901234567890]]`,
		`json("yes") ? json("nested") : content`:    `{"b":1,"a":"x"}`,
		`let x = 1; json("price")`:                  `1.10`,
		`body("id")`:                                `"i-1"`,
		`form("Topic") == "t"`:                      `true`,
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			program, err := expression.Compile(source, expression.Item, expression.Any)
			require.NoError(t, err)
			got, err := program.EvalJSON(in)
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
			assert.True(t, json.Valid(got))
		})
	}
}

func TestProgramSaysWhatItReads(t *testing.T) {
	t.Parallel()
	program, err := expression.Compile(`param("b") + param("a") + param("b") + secretRef("c") + callback`, expression.Manual, expression.String)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, program.Parameters())
	assert.Equal(t, []string{"c"}, program.SecretRefs())
	assert.True(t, program.Uses("item", "callback"))
	assert.False(t, program.Uses("item"))
}

func BenchmarkEval(b *testing.B) {
	for name, source := range map[string]string{
		"param":   `param("user")`,
		"body":    `body("id")`,
		"first":   `first(body("absent"), body("id"))`,
		"type":    `strip(first(body("type"), body("id")), ["sap.byd.", "sap.c4c."], [".v1"])`,
		"content": `content`,
	} {
		b.Run(name, func(b *testing.B) {
			program, err := expression.Compile(source, expression.Delivery, expression.String)
			require.NoError(b, err)
			in := input()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := program.Eval(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := expression.Compile(`first(body("type"), body("event-type"))`, expression.Delivery, expression.String); err != nil {
			b.Fatal(err)
		}
	}
}
