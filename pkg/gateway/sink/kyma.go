package sink

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// originSource is the extension that keeps the system's own source, where Kyma's takes its place.
const originSource = "originsource"

// kyma is Kyma's event publisher.
type kyma struct {
	poster
	application string
	prefix      string
	limit       int
}

func newKyma(o Options) (gateway.Sink, error) {
	if o.URL == "" {
		return newSearch(o)
	}
	u, err := parseURL(o.URL, "/publish")
	if err != nil {
		return nil, err
	}
	if o.Application == "" {
		return nil, errors.New("needs the application's name, which is the source of its events")
	}
	return &kyma{poster: newPoster(u, o), application: o.Application, prefix: strings.TrimSuffix(o.TypePrefix, "."), limit: o.MaxBytes}, nil
}

// Name implements gateway.Sink.
func (s *kyma) Name() string { return string(Kyma) }

// Check implements gateway.Sink.
func (s *kyma) Check(e event.Event) error {
	_, _, err := s.prepare(e)
	return err
}

// Publish implements gateway.Sink.
func (s *kyma) Publish(ctx context.Context, e event.Event) error {
	e, structured, err := s.prepare(e)
	if err != nil {
		return err
	}
	header, body := encode(e, structured)
	addTrace(ctx, header, e)
	return asError(s.post(ctx, header, body))
}

// prepare makes it an event of the Application and refuses what Kyma would refuse. Kyma does not decode
// what the binary mode has to encode: such events go in the structured mode.
func (s *kyma) prepare(e event.Event) (event.Event, bool, error) {
	if s.prefix != "" && strings.Count(e.FullType(), ".") < 2 {
		return e, false, invalid("event type %q: with a prefix Kyma wants an object, an operation and a version", e.FullType())
	}
	e = s.translate(e)
	structured := !e.Plain()
	return e, structured, checkSize(e, structured, s.limit)
}

// translate makes it an event of the Application.
func (s *kyma) translate(e event.Event) event.Event {
	if e.Source != s.application {
		extensions := maps.Clone(e.Extensions)
		if extensions == nil {
			extensions = make(map[string]string, 1)
		}
		extensions[originSource] = e.Source
		e.Source, e.Extensions = s.application, extensions
	}
	if s.prefix != "" {
		e.Type, e.Version = e.PrefixedType(s.prefix, s.application), ""
	}
	return e
}

// Reachable implements gateway.Sink.
func (s *kyma) Reachable(ctx context.Context) error { return s.alive(ctx, "/readyz") }
