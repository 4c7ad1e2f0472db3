package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// Listener is an address with what is served there.
type Listener struct {
	// Name is for errors, logs and metrics.
	Name    string
	Address string
	Handler http.Handler
	// MaxConnections bounds open connections; 0 means the server's default.
	MaxConnections int
}

// Service is something that runs beside the listeners until its context ends.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
}

// Config is what an App is made of.
type Config struct {
	// Inbound listeners take deliveries: the public one and, where the definition has one, the relay.
	Inbound []Listener
	// Admin serves health and metrics until the very end.
	Admin Listener
	// Services stop after the inbound listeners have.
	Services []Service
	// Close is called last, when nothing runs any more.
	Close func() error

	Health  *Health
	Metrics *telemetry.Metrics
	Logger  *slog.Logger
	// DrainDelay is how long the gateway still takes deliveries after it said that it is not ready, so
	// that whoever routes to it notices.
	DrainDelay time.Duration
	// Grace bounds the whole shutdown, DrainDelay included. Default 25s.
	Grace time.Duration
}

// App is a gateway: listeners, services and their order.
type App struct {
	config  Config
	inbound []*httpserver.Server
	admin   *httpserver.Server
}

// New opens all listeners. Nothing is served before Run.
func New(ctx context.Context, c Config) (*App, error) {
	if c.Grace <= 0 {
		c.Grace = 25 * time.Second
	}
	if c.Logger == nil {
		c.Logger = telemetry.Discard()
	}
	a := &App{config: c}
	open := func(l Listener) (*httpserver.Server, error) {
		s, err := httpserver.Listen(ctx, l.Address, httpserver.Options{Name: l.Name, Handler: l.Handler, MaxConnections: l.MaxConnections, Logger: c.Logger})
		if err != nil {
			return nil, fmt.Errorf("%w: choose another address, or end what uses it", err)
		}
		c.Metrics.Gauge("connections", func() float64 { return float64(s.Connections()) }, "listener", l.Name)
		return s, nil
	}
	for _, l := range c.Inbound {
		s, err := open(l)
		if err != nil {
			return nil, errors.Join(err, a.abandon())
		}
		a.inbound = append(a.inbound, s)
	}
	admin, err := open(c.Admin)
	if err != nil {
		return nil, errors.Join(err, a.abandon())
	}
	a.admin = admin
	c.Metrics.Gauge("ready", func() float64 {
		if c.Health.Report().Ready {
			return 1
		}
		return 0
	})
	return a, nil
}

// abandon gives the listeners back that were opened before another could not be.
func (a *App) abandon() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, s := range a.inbound {
		errs = append(errs, s.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// InboundAddr is the address of an inbound listener, in the order of Config.
func (a *App) InboundAddr(i int) net.Addr { return a.inbound[i].Addr() }

// AdminAddr is the address of the admin listener.
func (a *App) AdminAddr() net.Addr { return a.admin.Addr() }

// Run serves until the context ends or something that must run stops. Then the gateway says that it is not
// ready, goes on for the drain delay, finishes what has begun, and stops within the grace period.
func (a *App) Run(ctx context.Context) error {
	c, log := a.config, a.config.Logger
	failed := make(chan error, len(a.inbound)+1+len(c.Services))
	serve := func(wg *sync.WaitGroup, s *httpserver.Server) {
		wg.Go(func() {
			if err := s.Serve(); err != nil {
				failed <- err
			}
		})
	}
	var admin, inbound, services sync.WaitGroup
	serve(&admin, a.admin)
	serviceContext, stopServices := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServices()
	for _, s := range c.Services {
		services.Go(func() {
			if err := s.Run(serviceContext); err != nil && serviceContext.Err() == nil {
				failed <- fmt.Errorf("%s: %w", s.Name, err)
			}
		})
	}
	for _, s := range a.inbound {
		serve(&inbound, s)
	}
	c.Health.state.Store(running)
	log.Info("gateway runs", "admin", a.admin.Addr().String(), "listeners", addresses(a.inbound))

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
		log.Error("gateway stops because a part of it did", "error", cause.Error())
	}
	return errors.Join(cause, a.stop(&inbound, &services, &admin, stopServices))
}

func (a *App) stop(inbound, services, admin *sync.WaitGroup, stopServices context.CancelFunc) error {
	c, log := a.config, a.config.Logger
	deadline, cancel := context.WithTimeout(context.Background(), c.Grace)
	defer cancel()
	c.Health.state.Store(draining)
	log.Info("gateway drains", "delay", c.DrainDelay.String())
	wait(deadline, c.DrainDelay)

	errs := make([]error, len(a.inbound))
	var stopping sync.WaitGroup
	for i, s := range a.inbound {
		stopping.Go(func() { errs[i] = s.Shutdown(deadline) })
	}
	stopping.Wait()
	inbound.Wait()
	stopServices()
	if !waitFor(deadline, services) {
		errs = append(errs, errors.New("services were still running at the end of the grace period"))
	}
	if c.Close != nil {
		errs = append(errs, c.Close())
	}
	last, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	_ = a.admin.Shutdown(last) // a scrape that is cut off is no loss
	admin.Wait()
	log.Info("gateway stopped")
	return errors.Join(errs...)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// waitFor says whether the group was done before the context.
func waitFor(ctx context.Context, group *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

func addresses(servers []*httpserver.Server) []string {
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s.Addr().String()
	}
	return out
}
