package sink_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// inCluster sends requests to in-cluster names to a simulated cluster.
type inCluster struct{ handler http.Handler }

func (c inCluster) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.RequestURI = r.URL.RequestURI()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestEveryKymaTakesEverySinksEvents publishes to the publishers of both generations, which validate as the
// real ones do.
func TestEveryKymaTakesEverySinksEvents(t *testing.T) {
	t.Parallel()
	foreign := accountCreated()
	foreign.Source, foreign.ID = "/FR4/sap.byd/7", "not a UUID, not plain"
	bare := event.Event{ID: "bare", Source: "c4c", Type: "A.B", Version: "v1"}
	text := accountCreated()
	text.ID, text.DataContentType, text.Data = "text", "text/plain", []byte("plain text")
	largest := accountCreated()
	largest.ID, largest.Data = "largest", json.RawMessage(`"`+strings.Repeat("x", sink.KymaLimit-302)+`"`)
	for _, generation := range []simulator.Generation{simulator.Old, simulator.Current} {
		for name, o := range map[string]sink.Options{
			"auto": {Kind: sink.Auto}, "kyma-legacy": {Kind: sink.KymaLegacy}, "kyma with prefix": {Kind: sink.Kyma, TypePrefix: "sap.kyma.custom"},
		} {
			t.Run(string(generation)+"/"+name, func(t *testing.T) {
				t.Parallel()
				kyma, err := simulator.NewKyma(simulator.KymaOptions{Generation: generation, Applications: []string{"c4c"}})
				require.NoError(t, err)
				t.Cleanup(kyma.Close)
				o.Transport = inCluster{kyma.Handler()}
				s := newSink(t, o)
				require.NoError(t, s.Reachable(context.Background()))
				for _, e := range []event.Event{accountCreated(), foreign, bare, text, largest} {
					require.NoError(t, s.Check(e), e.ID)
					require.NoError(t, s.Publish(context.Background(), e), e.ID)
				}
				assert.Equal(t, 5, kyma.Counts().Accepted)
				assert.Zero(t, kyma.Counts().Refused)
			})
		}
	}
}

func TestKymasRefusalsAreUnderstood(t *testing.T) {
	t.Parallel()
	kyma, err := simulator.NewKyma(simulator.KymaOptions{})
	require.NoError(t, err)
	t.Cleanup(kyma.Close)
	server := httptest.NewServer(kyma.Publisher())
	t.Cleanup(server.Close)
	wrong := accountCreated()
	wrong.Data = []byte("not JSON")
	for _, kind := range []sink.Kind{sink.Kyma, sink.KymaLegacy} {
		s := newSink(t, sink.Options{Kind: kind, URL: server.URL, Timeout: time.Second})
		failure := gateway.AsPublishError(s.Publish(context.Background(), wrong))
		require.NotNil(t, failure, kind)
		assert.True(t, failure.Permanent, kind)
		assert.Equal(t, gateway.ReasonInvalid, failure.Reason, kind)
	}
}
