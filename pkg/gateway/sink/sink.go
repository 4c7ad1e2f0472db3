// Package sink holds the targets of events:
//
//   - "kyma": Kyma's event publisher, CloudEvents at /publish.
//   - "kyma-legacy": Kyma's older route /{application}/v1/events.
//   - "cloudevents": any HTTP endpoint that takes CloudEvents 1.0, such as a Knative broker.
//   - "nats": a NATS JetStream stream.
//   - "auto": whichever of Kyma's publishers answers in the cluster.
//
// A sink accepts an event or says why not, whether a repetition can help, and when.
package sink

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Kind names a sink.
type Kind string

// The kinds.
const (
	Auto        Kind = "auto"
	Kyma        Kind = "kyma"
	KymaLegacy  Kind = "kyma-legacy"
	CloudEvents Kind = "cloudevents"
	NATS        Kind = "nats"
)

// KymaLimit is the largest request body that Kyma's publisher takes, in bytes.
const KymaLimit = 64 << 10

// defaultLimit is the largest message of other targets: what Knative brokers and NATS take by default.
const defaultLimit = 1 << 20

// Options describe a sink. A zero value means the default that is named.
type Options struct {
	Kind Kind
	// URL is where the target is: http or https for all but nats. Kyma's publishers are found in the cluster
	// where it is empty; their path may be left out.
	URL string
	// Application is the name of the Kyma Application: the source of events in Kyma.
	Application string
	// TypePrefix, such as "sap.kyma.custom", starts event types where Kyma (2.1 to 2.11) demands it.
	TypePrefix string
	// Structured sends the structured mode instead of the binary one (cloudevents, nats).
	Structured bool
	// MaxBytes is the largest message that the target takes; default 64 KiB for Kyma, 1 MiB otherwise.
	MaxBytes int
	// Timeout bounds one publication; default 10s.
	Timeout time.Duration
	// SubjectPrefix starts NATS subjects, before the event's type; default the application's name.
	SubjectPrefix string
	// CredentialsFile is a NATS credentials file. Optional.
	CredentialsFile string
	// Transport replaces the HTTP transport; for tests.
	Transport http.RoundTripper

	// wired says that the transport is ours, so that a shorter way may be taken.
	wired bool
}

// wire is the shorter way to post to an address, or nil.
func (o Options) wire(u *url.URL) *wire {
	if !o.wired {
		return nil
	}
	return newWire(u)
}

// constructors lists all kinds of sinks.
func constructors() map[Kind]func(Options) (gateway.Sink, error) {
	return map[Kind]func(Options) (gateway.Sink, error){
		Auto:        newAuto,
		Kyma:        newKyma,
		KymaLegacy:  newLegacy,
		CloudEvents: newCloudEvents,
		NATS:        newNATS,
	}
}

// Kinds are the names of all sinks, sorted.
func Kinds() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(constructors())) {
		out = append(out, string(k))
	}
	return out
}

// New makes a sink. It makes no call: a target that is away does not keep the gateway from starting.
func New(o Options) (gateway.Sink, error) {
	construct, ok := constructors()[o.Kind]
	if !ok {
		return nil, fmt.Errorf("sink kind %q: want one of %s", o.Kind, strings.Join(Kinds(), ", "))
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultLimit
		if o.Kind == Auto || o.Kind == Kyma || o.Kind == KymaLegacy {
			o.MaxBytes = KymaLimit
		}
	}
	if o.Transport == nil {
		o.Transport, o.wired = newTransport(), true
	}
	s, err := construct(o)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", o.Kind, err)
	}
	return s, nil
}

// newTransport keeps many connections to the one target: with Go's two, most publications would open a
// connection of their own.
func newTransport() http.RoundTripper {
	t := httpclient.NewTransport()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 1024, 1024
	return t
}

// parseURL checks a target's address. The path is the default one if there is none.
func parseURL(raw, defaultPath string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("needs an address: set --sink-url")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("--sink-url: want an absolute http or https URL")
	case u.User != nil:
		return nil, errors.New("--sink-url: take user and password out of the URL, where anybody can read them")
	case u.Fragment != "":
		return nil, errors.New("--sink-url: take the fragment out of the URL")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultPath
	}
	return u, nil
}
