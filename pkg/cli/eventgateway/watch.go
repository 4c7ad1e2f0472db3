package eventgateway

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// watcher reads the parameters again when their files change: a rotated secret needs no restart. What is
// wrong with the new ones is reported, and the old ones stay in place.
type watcher struct {
	setup   *setup
	places  []string
	every   time.Duration
	metrics *gateway.Metrics
	logger  *slog.Logger

	hosts   hostNames // as the parameters said at the start
	seen    uint64
	problem atomic.Pointer[error]
}

func newWatcher(s *setup, places []string, every time.Duration, m *gateway.Metrics, logger *slog.Logger) *watcher {
	m.WatchReloads()
	hosts, _ := newHostNames(s.definition, s.params.Input()) // they could be had when the definition was loaded
	return &watcher{setup: s, places: places, every: every, metrics: m, logger: logger, hosts: hosts, seen: fingerprint(places)}
}

// run looks at the files until the context ends.
func (w *watcher) run(ctx context.Context) error {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.look()
		}
	}
}

func (w *watcher) look() {
	seen := fingerprint(w.places)
	if seen == w.seen {
		return
	}
	w.seen = seen
	params, err := w.setup.definition.ReadParams(w.places...)
	if err == nil {
		err = w.setup.reload(params)
	}
	w.metrics.Reloaded(err == nil)
	if err != nil {
		err = fmt.Errorf("the changed parameters are not used: %w", err)
		w.problem.Store(&err)
		w.logger.Error("parameters cannot be read again", "error", err.Error())
		return
	}
	w.problem.Store(nil)
	w.logger.Info("parameters were read again")
	if now, err := w.setup.definition.Application.Text(params.Input()); err != nil || now != w.setup.application {
		w.logger.Warn("the application's name changed: restart the gateway to publish under the new one")
	}
	if now, err := newHostNames(w.setup.definition, params.Input()); err != nil || !maps.Equal(now, w.hosts) {
		w.logger.Warn("a host changed: restart the gateway to be reached by the new one")
	}
}

// check reports parameters that could not be used.
func (w *watcher) check() error {
	if p := w.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// fingerprint changes when a file does: by name, size, time, and where Kubernetes' links lead.
func fingerprint(places []string) uint64 {
	h := fnv.New64a()
	note := func(path string) {
		link, _ := os.Readlink(path)
		info, err := os.Stat(path)
		if err != nil {
			_, _ = fmt.Fprintln(h, path, link, "absent")
			return
		}
		_, _ = fmt.Fprintln(h, path, link, info.Size(), info.ModTime().UnixNano())
	}
	for _, place := range places {
		note(place)
		entries, _ := os.ReadDir(place)
		for _, entry := range entries {
			note(filepath.Join(place, entry.Name()))
		}
	}
	return h.Sum64()
}
