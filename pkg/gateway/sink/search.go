package sink

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// candidate is one place where a version of Kyma has its publisher.
type candidate struct {
	kind   Kind
	base   string
	health string
	// strict: only 200 is a sign of the publisher; older services have no such path.
	strict bool
}

// candidates are the publishers of all versions, the newest first, as far as the kind is theirs. The names
// end in .svc, which resolves whatever the cluster's domain is and which the usual NO_PROXY covers.
func candidates(kind Kind, application string) []candidate {
	const (
		publisher   = "http://eventing-publisher-proxy.kyma-system.svc"
		alias       = "http://eventing-event-publisher-proxy.kyma-system.svc"
		integration = ".kyma-integration.svc:8081"
	)
	health := "/" + application + "/v1/health"
	services := []candidate{
		{KymaLegacy, "http://" + application + "-event-service" + integration, health, false},
		{KymaLegacy, "http://app-" + application + "-event-service" + integration, health, false},
		{KymaLegacy, "http://" + application + "-event-service-external-api" + integration, health, false},
	}
	proxies := func(newer, older Kind) []candidate {
		return []candidate{{newer, publisher, "/healthz", true}, {older, alias, "/healthz", true}}
	}
	switch kind {
	case Kyma:
		return proxies(Kyma, Kyma)
	case KymaLegacy:
		return append(proxies(KymaLegacy, KymaLegacy), services...)
	default:
		return append(proxies(Kyma, KymaLegacy), services...)
	}
}

const (
	// searchEvery bounds how often the candidates are asked while none answers.
	searchEvery = 5 * time.Second
	// doubtAfter is how long a publisher has to be away before the others are asked again.
	doubtAfter = 30 * time.Second
)

// search finds Kyma's publisher when the first event comes, and again when it stays away.
type search struct {
	options    Options
	candidates []candidate
	now        func() time.Time

	mu       sync.Mutex
	current  gateway.Sink
	searched time.Time
	failed   time.Time // since when the current one cannot be reached
}

func newAuto(o Options) (gateway.Sink, error) {
	if o.URL != "" {
		return nil, errors.New("finds the address by itself: leave --sink-url out, or name a --sink-kind")
	}
	return newSearch(o)
}

func newSearch(o Options) (gateway.Sink, error) {
	if o.Application == "" {
		return nil, errors.New("needs the application's name, which is the source of its events")
	}
	return &search{options: o, candidates: candidates(o.Kind, o.Application), now: time.Now}, nil
}

// Name implements gateway.Sink.
func (s *search) Name() string {
	if found := s.found(); found != nil {
		return found.Name()
	}
	return string(s.options.Kind)
}

func (s *search) found() gateway.Sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Check implements gateway.Sink. As long as nothing is found, it checks what all versions share.
func (s *search) Check(e event.Event) error {
	if found := s.found(); found != nil {
		return found.Check(e)
	}
	return tooLarge(len(e.Data), s.options.MaxBytes)
}

// Publish implements gateway.Sink.
func (s *search) Publish(ctx context.Context, e event.Event) error {
	target, err := s.target(ctx)
	if err != nil {
		return err
	}
	failure := gateway.AsPublishError(target.Publish(ctx, e))
	if s.options.Kind == Auto && target.Name() == string(Kyma) && failure != nil && failure.Reason == gateway.ReasonMisconfigured {
		// Kyma 2.1 to 2.11: the legacy route of the same publisher adds the prefix by itself.
		if target, err = s.use(candidate{kind: KymaLegacy, base: s.candidates[0].base}); err != nil {
			return err
		}
		failure = gateway.AsPublishError(target.Publish(ctx, e))
	}
	s.note(failure)
	return asError(failure)
}

// Reachable implements gateway.Sink.
func (s *search) Reachable(ctx context.Context) error {
	target, err := s.target(ctx)
	if err != nil {
		return err
	}
	return target.Reachable(ctx)
}

// note remembers since when the target cannot be reached.
func (s *search) note(failure *gateway.PublishError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failure == nil || failure.Reason != gateway.ReasonConnection && failure.Reason != gateway.ReasonNotFound:
		s.failed = time.Time{}
	case s.failed.IsZero():
		s.failed = s.now()
	}
}

// target is the publisher that was found, or one that is found now.
func (s *search) target(ctx context.Context) (gateway.Sink, error) {
	s.mu.Lock()
	now := s.now()
	doubt := !s.failed.IsZero() && now.Sub(s.failed) >= doubtAfter
	if s.current != nil && !doubt {
		defer s.mu.Unlock()
		return s.current, nil
	}
	if now.Sub(s.searched) < searchEvery {
		defer s.mu.Unlock()
		if s.current != nil {
			return s.current, nil
		}
		return nil, notFound()
	}
	s.searched = now
	s.mu.Unlock()

	for _, c := range s.candidates {
		if s.answers(ctx, c) {
			return s.use(c)
		}
	}
	if found := s.found(); found != nil {
		return found, nil
	}
	return nil, notFound()
}

func notFound() error {
	return &gateway.PublishError{Reason: gateway.ReasonNotFound,
		Detail: "no event publisher of Kyma answers in this cluster: enable the Eventing module (with the gateway in the mesh), or set --sink-kind and --sink-url"}
}

func (s *search) answers(ctx context.Context, c candidate) bool {
	u, err := parseURL(c.base, "/")
	if err != nil {
		return false
	}
	status, err := newPoster(u, s.options).get(ctx, c.health)
	if err != nil {
		return false
	}
	return status == http.StatusOK || !c.strict && (status == http.StatusNoContent || status == http.StatusNotFound || status == http.StatusMethodNotAllowed)
}

func (s *search) use(c candidate) (gateway.Sink, error) {
	o := s.options
	o.Kind, o.URL = c.kind, c.base
	target, err := New(o)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.failed = target, time.Time{}
	return target, nil
}
