package sink

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// natsSink publishes to a JetStream stream, which acknowledges. A subject without a stream is an error:
// without an acknowledgement nobody knows whether anything has the event.
type natsSink struct {
	options Options
	prefix  string

	mu         sync.Mutex
	connection *nats.Conn
	stream     jetstream.JetStream
}

func newNATS(o Options) (gateway.Sink, error) {
	prefix := o.SubjectPrefix
	if prefix == "" {
		prefix = o.Application
	}
	if err := checkNATSURL(o.URL); err != nil {
		return nil, err
	}
	if prefix == "" || strings.ContainsAny(prefix, " \t\r\n*>") || strings.Contains("."+prefix+".", "..") {
		return nil, fmt.Errorf("subject prefix %q: want words separated by dots: set --sink-subject-prefix", prefix)
	}
	return &natsSink{options: o, prefix: prefix}, nil
}

func checkNATSURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return errors.New("needs an address: set --sink-url, such as nats://nats.example:4222")
	case err != nil, u.Host == "", u.Scheme != "nats" && u.Scheme != "tls":
		return errors.New("--sink-url: want nats://host:4222 or tls://host:4222")
	case u.User != nil:
		return errors.New("--sink-url: take user and password out of the URL, and name a credentials file with --nats-credentials")
	}
	return nil
}

// Name implements gateway.Sink.
func (s *natsSink) Name() string { return string(NATS) }

// Check implements gateway.Sink.
func (s *natsSink) Check(e event.Event) error {
	return checkSize(e, s.options.Structured, s.options.MaxBytes)
}

// Publish implements gateway.Sink.
func (s *natsSink) Publish(ctx context.Context, e event.Event) error {
	if err := s.Check(e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	js, err := s.connect()
	if err != nil {
		return &gateway.PublishError{Reason: gateway.ReasonConnection, Detail: "NATS", Err: err}
	}
	message := nats.NewMsg(s.prefix + "." + event.CleanType(e.FullType()))
	header, body := encode(e, s.options.Structured)
	addTrace(ctx, header, e)
	for name, values := range header {
		if strings.HasPrefix(name, "Ce-") || strings.HasPrefix(name, "Trace") {
			name = strings.ToLower(name) // as the NATS binding and W3C's trace context write them
		}
		message.Header[name] = values
	}
	message.Data = body
	// The stream leaves out what it has seen under this name.
	_, err = js.PublishMsg(ctx, message, jetstream.WithMsgID(url.QueryEscape(e.Source)+"#"+url.QueryEscape(e.ID)))
	return asError(natsError(err))
}

// Reachable implements gateway.Sink.
func (s *natsSink) Reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	js, err := s.connect()
	if err != nil {
		return err
	}
	if _, err := js.StreamNameBySubject(ctx, s.prefix+".>"); err != nil {
		return fmt.Errorf("no stream takes subjects %s.>: %w", s.prefix, err)
	}
	return nil
}

// connect connects at the first use; later the client reconnects by itself.
func (s *natsSink) connect() (jetstream.JetStream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connection != nil && !s.connection.IsClosed() {
		return s.stream, nil
	}
	options := []nats.Option{nats.Name("event-gateway"), nats.MaxReconnects(-1), nats.Timeout(5 * time.Second), nats.ReconnectBufSize(-1)}
	if s.options.CredentialsFile != "" {
		options = append(options, nats.UserCredentials(s.options.CredentialsFile))
	}
	connection, err := nats.Connect(s.options.URL, options...)
	if err != nil {
		return nil, err
	}
	stream, err := jetstream.New(connection)
	if err != nil {
		connection.Close()
		return nil, err
	}
	s.connection, s.stream = connection, stream
	return stream, nil
}

// Close implements io.Closer.
func (s *natsSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connection != nil {
		s.connection.Close()
	}
	return nil
}

// The codes of JetStream's errors that matter here.
const (
	codeStreamFull     = 10077
	codeNoSpaceStorage = 10023
	codeTooLarge       = 10054
)

func natsError(err error) *gateway.PublishError {
	if err == nil {
		return nil
	}
	e := &gateway.PublishError{Reason: gateway.ReasonUnavailable, Detail: "NATS", Err: err}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		e.Reason, e.Permanent = gateway.ReasonTooLarge, true
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		e.Reason = gateway.ReasonNotFound
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrPermissionViolation):
		e.Reason = gateway.ReasonUnauthorized
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		e.Reason = gateway.ReasonTimeout
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded):
		e.Reason = gateway.ReasonConnection
	case errors.As(err, &api) && (api.ErrorCode == codeStreamFull || api.ErrorCode == codeNoSpaceStorage):
		e.Reason = gateway.ReasonFull
	case errors.As(err, &api) && api.ErrorCode == codeTooLarge:
		e.Reason, e.Permanent = gateway.ReasonTooLarge, true
	}
	return e
}
