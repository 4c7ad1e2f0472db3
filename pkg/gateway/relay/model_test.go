package relay_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

const (
	withModel = `to: {post: /v1/orders, schema: {get: /v1/model, at: event.schema}`
	plainTo   = `to: {post: /v1/orders`
	schema    = `{"type":"object","required":["code"],"properties":{"code":{"type":"string"}}}`
)

func TestDocumentsAreCheckedAgainstTheSystemsSchema(t *testing.T) {
	t.Parallel()
	for name, model := range map[string]string{
		"as an object": `{"event":{"schema":` + schema + `}}`,
		"as a text":    `{"event":{"schema":"{\"type\":\"object\",\"required\":[\"code\"],\"properties\":{\"code\":{\"type\":\"string\"}}}"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.model = model
			r := newRelay(t, s, plainTo, withModel)
			errs := publish(t, r, order("1", `{"code":"A"}`), order("2", `{"cod":"secret"}`), order("3", `{"code":7}`))
			assert.Nil(t, errs[0])
			require.NotNil(t, errs[1])
			assert.Equal(t, &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "the system's schema: the document lacks code"}, errs[1])
			require.NotNil(t, errs[2])
			assert.Equal(t, "the system's schema: code is of type number, not string", errs[2].Detail)
			assert.Equal(t, []string{`{"code":"A"}`}, s.taken(), "the others were not sent")
			assert.Equal(t, 1, s.modelled, "read once for all")
			assert.NoError(t, r.Problem())
			assert.Contains(t, r.metrics(), `results_total{result="rejected"} 2`)
			assert.NotContains(t, r.metrics(), "unchecked_total")
		})
	}
}

// TestWithoutASchemaEventsAreSentUnchecked: the system has the last word in any case.
func TestWithoutASchemaEventsAreSentUnchecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"not allowed":   {func(w http.ResponseWriter) { w.WriteHeader(403) }, "/v1/model answers 403: let the user of the connector read it"},
		"not there":     {func(w http.ResponseWriter) { w.WriteHeader(404) }, "/v1/model answers 404"},
		"no JSON":       {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, "is no JSON document"},
		"nothing in it": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"event":{"schema":null}}`) }, `has nothing at "event.schema"`},
		"no schema":     {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"event":{"schema":{"type":"x"}}}`) }, "cannot be used"},
		"cut off":       {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "the system's schema cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.modelAs = test.answer
			r := newRelay(t, s, plainTo, withModel)
			require.NoError(t, r.Problem(), "nobody has asked yet")
			assert.Nil(t, publish(t, r, order("1", `{"cod":"A"}`))[0])
			assert.Len(t, s.taken(), 1)
			assert.ErrorContains(t, r.Problem(), test.want)
			assert.Contains(t, r.metrics(), "unchecked_total 1")
			assert.Nil(t, publish(t, r, order("2", `{"cod":"A"}`))[0])
			assert.Equal(t, 1, s.modelled, "not asked again for every event")
		})
	}
}

func TestNewParametersMeanANewSchema(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.model = `{"event":{"schema":` + schema + `}}`
	r := newRelay(t, s, plainTo, withModel)
	require.NotNil(t, publish(t, r, order("1", `{}`))[0])
	s.set(func(s *shop) { s.model = `{"event":{"schema":{}}}` })
	require.NotNil(t, publish(t, r, order("1", `{}`))[0], "it is kept for a while")
	_, params := load(t, s, plainTo, withModel)
	swap, err := r.Prepare(params.Input(), r.caller)
	require.NoError(t, err)
	swap()
	assert.Nil(t, publish(t, r, order("1", `{}`))[0])
}
