package simulator_test

import (
	"net/http"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// One message goes the whole way: a token, a connection, an acknowledgement.
func TestPublishOneMessage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		gateway func(*gateway)
		change  func(*simulator.Publication)
		status  int
		taken   int
	}{
		{name: "with a token of its own", status: http.StatusAccepted, taken: 1},
		{name: "exactly once", change: func(p *simulator.Publication) { p.Quality = simulator.ExactlyOnce }, status: http.StatusAccepted, taken: 1},
		{
			name:   "with a wrong secret",
			change: func(p *simulator.Publication) { p.Password = "wrong" },
			status: http.StatusUnauthorized,
		},
		{
			name:   "with a header that is no token",
			change: func(p *simulator.Publication) { p.TokenEndpoint, p.Authorization = "", "Bearer none" },
			status: http.StatusUnauthorized,
		},
		{name: "to a server that is down", gateway: func(g *gateway) { g.down = true }, status: http.StatusServiceUnavailable},
		{name: "to a server that takes no message", gateway: func(g *gateway) { g.refuse = 1 }, status: http.StatusServiceUnavailable, taken: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t)
			if tt.gateway != nil {
				g.set(tt.gateway)
			}
			p := simulator.Publication{
				Endpoint: "ws" + g.URL[len("http"):], TokenEndpoint: g.URL + "/oauth/token", User: "kyma", Password: "top secret/=",
				Client: g.Client(), Topic: "a/b", Payload: []byte("payload"),
			}
			if tt.change != nil {
				tt.change(&p)
			}
			status, err := simulator.Publish(t.Context(), p)
			require.NoError(t, err)
			assert.Equal(t, tt.status, status)
			var published []packets.Packet
			g.set(func(g *gateway) { published = append(published, g.published...) })
			require.Len(t, published, tt.taken)
			if tt.taken > 0 {
				assert.Equal(t, "a/b", published[0].TopicName)
				assert.Equal(t, "payload", string(published[0].Payload))
			}
		})
	}
}

func TestPublishWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	endpoint := g.URL
	g.Close()
	_, err := simulator.Publish(t.Context(), simulator.Publication{Endpoint: "ws" + endpoint[len("http"):], TokenEndpoint: endpoint + "/oauth/token", User: "kyma", Password: "top secret/=", Topic: "a"})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "top secret")
}
