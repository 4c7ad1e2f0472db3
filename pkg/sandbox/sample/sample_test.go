package sample

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const delivery = "POST /hook?x=1 HTTP/1.1\nHost: gateway\nContent-Type: application/json\nX-Two: a\nX-Two: b\nContent-Length: 99\n\n{\"a\":1}\n\nlast"

const accepted = `{"outcome":"accepted","status":202,"events":[{"id":"1","type":"Ticket.Created","version":"v1","data":{"a":1}}]}`

func TestSamplesAreReadInOrder(t *testing.T) {
	t.Parallel()
	samples, err := Load(fstest.MapFS{
		"b.http":        {Data: []byte(delivery)},
		"b.golden.json": {Data: []byte(`{"outcome":"refused","status":401,"reason":"signature"}`)},
		"a.http":        {Data: []byte(delivery)},
		"a.golden.json": {Data: []byte(accepted)},
		"params.yaml":   {Data: []byte("a: b")},
	})
	require.NoError(t, err)
	require.Len(t, samples, 2)
	assert.Equal(t, "a", samples[0].Name)
	assert.Equal(t, "Ticket.Created.v1", samples[0].Golden.Events[0].FullType())
	assert.Equal(t, Golden{Outcome: Refused, Status: 401, Reason: "signature"}, samples[1].Golden)
	assert.Equal(t, Request{
		Method: "POST", Target: "/hook?x=1",
		Header: http.Header{"Content-Type": {"application/json"}, "X-Two": {"a", "b"}},
		Body:   []byte("{\"a\":1}\n\nlast"),
	}, samples[0].Request, "the body is everything after the first empty line, byte for byte")
}

func TestParseTakesBothLineBreaks(t *testing.T) {
	t.Parallel()
	r, err := Parse([]byte("POST / HTTP/1.1\r\nA: b\r\n\r\none\n\ntwo"))
	require.NoError(t, err)
	assert.Equal(t, "one\n\ntwo", string(r.Body))
	assert.Equal(t, "b", r.Header.Get("A"))
}

func TestSamplesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, request, golden, err string }{
		{"no empty line", "POST / HTTP/1.1\nA: b\n", accepted, "sample a.http: no empty line ends the headers"},
		{"no request line", "A: b\n\n", accepted, `sample a.http: first line "A: b": want METHOD /path HTTP/1.1`},
		{"absolute target", "POST http://x/ HTTP/1.1\n\n", accepted, "want METHOD /path HTTP/1.1"},
		{"broken header", "POST / HTTP/1.1\nnonsense\n\n", accepted, "sample a.http: headers: "},
		{"no golden", delivery, "", "sample a has no a.golden.json that says what becomes of it"},
		{"unknown field", delivery, `{"outcome":"refused","status":401,"staus":1}`, `sample a.golden.json: json: unknown field "staus"`},
		{"unknown outcome", delivery, `{"outcome":"fine","status":200}`, `outcome "fine": choose one of accepted, duplicate,`},
		{"no status", delivery, `{"outcome":"refused"}`, "status 0 is no HTTP status"},
		{"accepted without events", delivery, `{"outcome":"accepted","status":202}`, "outcome accepted: list the events"},
		{"events although refused", delivery, `{"outcome":"refused","status":401,"events":[{"id":"1","type":"a"}]}`, "outcome refused: no events come out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := fstest.MapFS{"a.http": {Data: []byte(tt.request)}}
			if tt.golden != "" {
				dir["a.golden.json"] = &fstest.MapFile{Data: []byte(tt.golden)}
			}
			_, err := Load(dir)
			require.ErrorContains(t, err, tt.err)
		})
	}
}

func TestParamsAreTexts(t *testing.T) {
	t.Parallel()
	params, err := Params(fstest.MapFS{"params.yaml": {Data: []byte("a: x\nb: true\nc: 3\nd: [p, q]\ne:\n")}})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "x", "b": "true", "c": "3", "d": "p,q", "e": ""}, params)

	_, err = Params(fstest.MapFS{})
	require.ErrorContains(t, err, "read the parameters of the samples")
}

func TestSendRepeatsTheRecording(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		http.Error(w, "bad signature", http.StatusUnauthorized)
	}))
	t.Cleanup(gateway.Close)
	r, err := Parse([]byte(delivery))
	require.NoError(t, err)

	answer, err := r.Send(t.Context(), gateway.Client(), gateway.URL+"/")
	require.NoError(t, err)
	assert.Equal(t, Answer{Status: 401, Body: "bad signature\n"}, answer)
	assert.Equal(t, "/hook?x=1", got.URL.RequestURI())
	assert.Equal(t, []string{"a", "b"}, got.Header["X-Two"])
	assert.Equal(t, string(r.Body), string(body))

	gateway.Close()
	_, err = r.Send(t.Context(), gateway.Client(), gateway.URL)
	require.ErrorContains(t, err, "send the delivery")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(delivery))
	f.Add([]byte("POST / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err == nil {
			assert.NotEmpty(t, r.Method)
			assert.Equal(t, byte('/'), r.Target[0])
		}
	})
}
