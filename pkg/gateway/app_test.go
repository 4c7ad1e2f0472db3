package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

const patience = 20 * time.Second

// config is a gateway with one public listener and nothing behind it.
func config(handler http.Handler, health *gateway.Health) gateway.Config {
	return gateway.Config{
		Inbound: []gateway.Listener{{Name: "public", Address: "127.0.0.1:0", Handler: handler}},
		Admin:   gateway.Listener{Name: "admin", Address: "127.0.0.1:0", Handler: health.Readiness()},
		Health:  health, Metrics: telemetry.NewMetrics("test_"), Grace: patience,
	}
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	answer, err := client.Get("http://" + address)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

func TestReadinessComesLastAndGoesFirst(t *testing.T) {
	t.Parallel()
	var problem error
	health := gateway.NewHealth(
		gateway.Check{Name: "buffer", Essential: true, Problem: func() error { return nil }},
		gateway.Check{Name: "target", Problem: func() error { return errors.New("away") }},
	)
	report := health.Report()
	assert.False(t, report.Ready)
	assert.Equal(t, []gateway.Finding{{Check: "lifecycle", Problem: "starting"}}, report.Reasons)

	inRequest, release := make(chan struct{}), make(chan struct{})
	c := config(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inRequest)
		<-release
		_, _ = io.WriteString(w, "done")
	}), health)
	serviceStopped, closed := make(chan struct{}), make(chan struct{})
	c.Services = []gateway.Service{{Name: "worker", Run: func(ctx context.Context) error { <-ctx.Done(); close(serviceStopped); return nil }}}
	c.Close = func() error {
		<-serviceStopped
		close(closed)
		return problem
	}
	app, err := gateway.New(context.Background(), c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- app.Run(ctx) }()

	admin := app.AdminAddr().String()
	require.Eventually(t, func() bool { status, _ := get(t, admin); return status == http.StatusOK }, patience, time.Millisecond)
	_, body := get(t, admin)
	assert.JSONEq(t, `{"ready":true,"warnings":[{"check":"target","problem":"away"}]}`, body)

	answer := make(chan string, 1)
	go func() { _, body := get(t, app.InboundAddr(0).String()); answer <- body }()
	<-inRequest
	cancel()
	require.Eventually(t, func() bool { status, _ := get(t, admin); return status == http.StatusServiceUnavailable }, patience, time.Millisecond)
	_, body = get(t, admin)
	assert.Contains(t, body, "shutting down")
	assert.True(t, health.Draining())
	select {
	case <-serviceStopped:
		t.Fatal("services outlive the requests that need them")
	default:
	}
	close(release)
	assert.Equal(t, "done", <-answer, "what has begun is finished")
	assert.NoError(t, <-ran)
	<-closed
	status, _ := get(t, admin)
	assert.Zero(t, status, "the admin listener is closed in the end")
}

func TestARequestThatNeverEndsDoesNotStopTheShutdown(t *testing.T) {
	t.Parallel()
	health := gateway.NewHealth()
	inRequest, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	c := config(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(inRequest); <-release }), health)
	c.Grace = 50 * time.Millisecond
	app, err := gateway.New(context.Background(), c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- app.Run(ctx) }()
	go get(t, app.InboundAddr(0).String())
	<-inRequest
	cancel()
	assert.ErrorContains(t, <-ran, "requests were still running at the end of the grace period")
}

func TestAServiceThatFailsStopsTheGateway(t *testing.T) {
	t.Parallel()
	c := config(http.NotFoundHandler(), gateway.NewHealth())
	c.Services = []gateway.Service{{Name: "worker", Run: func(context.Context) error { return errors.New("broken") }}}
	app, err := gateway.New(context.Background(), c)
	require.NoError(t, err)
	assert.EqualError(t, app.Run(context.Background()), "worker: broken")
}

func TestAnAddressInUseIsNamedAndNothingStaysOpen(t *testing.T) {
	t.Parallel()
	first, err := gateway.New(context.Background(), config(http.NotFoundHandler(), gateway.NewHealth()))
	require.NoError(t, err)
	c := config(http.NotFoundHandler(), gateway.NewHealth())
	c.Admin.Address = first.AdminAddr().String()
	_, err = gateway.New(context.Background(), c)
	assert.ErrorContains(t, err, `admin address "`+c.Admin.Address+`"`)
	assert.ErrorContains(t, err, "choose another address")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.NoError(t, first.Run(ctx))
}
