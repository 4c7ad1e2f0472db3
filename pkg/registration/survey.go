package registration

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Survey asks the system which APIs it offers, in the background: other things can be found out meanwhile.
type Survey struct {
	client *system.Client
	// wrong is why there is no client.
	wrong finding
	stop  context.CancelFunc

	// first is closed when the first API is found to be active, or none can be any more; before that, active is
	// not set.
	first  chan struct{}
	once   sync.Once
	active *probed

	// done is closed at the end; before that, found is not set.
	done  chan struct{}
	found survey
}

// StartSurvey begins to ask. The Survey is for one Run with the same options; Stop ends it.
func StartSurvey(ctx context.Context, options Options, http *httpclient.Client, log *slog.Logger) *Survey {
	s := &Survey{first: make(chan struct{}), done: make(chan struct{}), stop: func() {}}
	s.client, s.wrong = system.New(options.Definition, options.Params, http)
	if !s.wrong.OK() {
		s.end()
		return s
	}
	if deadline, ok := ctx.Deadline(); ok {
		// The rest of the time is for writing.
		ctx, s.stop = context.WithTimeoutCause(ctx, time.Until(deadline)*7/10, errProbing)
	} else {
		ctx, s.stop = context.WithCancel(ctx)
	}
	p := &prober{definition: options.Definition, system: s.client, log: log, parallel: options.parallel(), active: s.notice}
	go func() {
		s.found = p.run(ctx)
		s.end()
	}()
	return s
}

// Stop ends the survey where it is still going on, and waits for that.
func (s *Survey) Stop() {
	s.stop()
	<-s.done
}

// notice takes the first active API.
func (s *Survey) notice(p probed) {
	s.once.Do(func() {
		s.active = &p
		close(s.first)
	})
}

func (s *Survey) end() {
	s.once.Do(func() { close(s.first) })
	close(s.done)
}
