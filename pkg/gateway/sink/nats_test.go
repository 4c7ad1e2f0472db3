package sink_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
)

func startNATS(t *testing.T) (url string, js jetstream.JetStream) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(20*time.Second))
	connection, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	t.Cleanup(connection.Close)
	js, err = jetstream.New(connection)
	require.NoError(t, err)
	return s.ClientURL(), js
}

func TestNATSPublishesOncePerEvent(t *testing.T) {
	t.Parallel()
	url, js := startNATS(t)
	stream, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "events", Subjects: []string{"c4c.>"}, MaxMsgSize: 4 << 10})
	require.NoError(t, err)
	s := newSink(t, sink.Options{Kind: sink.NATS, URL: url})
	require.NoError(t, s.Reachable(context.Background()))
	for range 2 {
		require.NoError(t, s.Publish(context.Background(), accountCreated()))
	}
	info, err := stream.Info(context.Background())
	require.NoError(t, err)
	assert.EqualValues(t, 1, info.State.Msgs, "a repetition is left out by the stream")
	message, err := stream.GetMsg(context.Background(), 1)
	require.NoError(t, err)
	assert.Equal(t, "c4c.Account.Root.Created.v1", message.Subject)
	assert.Equal(t, "fa163e16-4431-1edd-8eb8-351cf99ab8c7", message.Header["ce-id"][0])
	assert.Equal(t, `{"entity-id":"<1>"}`, string(message.Data))

	large := accountCreated()
	large.ID, large.Data = "large", make([]byte, 8<<10)
	failure := gateway.AsPublishError(s.Publish(context.Background(), large))
	require.NotNil(t, failure)
	assert.True(t, failure.Permanent)
	assert.Equal(t, gateway.ReasonTooLarge, failure.Reason)
}

func TestNATSWithoutStreamTakesNothing(t *testing.T) {
	t.Parallel()
	url, _ := startNATS(t)
	s := newSink(t, sink.Options{Kind: sink.NATS, URL: url})
	failure := gateway.AsPublishError(s.Publish(context.Background(), accountCreated()))
	require.NotNil(t, failure)
	assert.False(t, failure.Permanent)
	assert.Equal(t, gateway.ReasonNotFound, failure.Reason)
	assert.ErrorContains(t, s.Reachable(context.Background()), "no stream takes subjects c4c.>")
}
