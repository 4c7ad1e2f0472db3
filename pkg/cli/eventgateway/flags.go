package eventgateway

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/payload"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// byteSize is a flag such as 256KiB.
type byteSize int64

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	var size connector.Size
	if err := size.UnmarshalJSON([]byte(strconv.Quote(text))); err != nil {
		return fmt.Errorf("want a number of bytes such as 256KiB")
	}
	*b = byteSize(size)
	return nil
}

// String implements pflag.Value.
func (b *byteSize) String() string {
	for _, unit := range []struct {
		name string
		size byteSize
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if *b != 0 && *b%unit.size == 0 {
			return strconv.FormatInt(int64(*b/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "bytes" }

// definitionFlags name the definition and the parameters.
type definitionFlags struct {
	connector      string
	params         []string
	allowAddresses []string
	getenv         func(string) string
}

func (f *definitionFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.connector, "connector", "", "file of the connector definition")
	flags.StringArrayVar(&f.params, "params", nil, "place of parameters: a directory with one file each, or a YAML file; repeatable, later places win")
}

// bindAddresses is for commands that make calls to the system.
func (f *definitionFlags) bindAddresses(flags *pflag.FlagSet, getenv func(string) string) {
	f.getenv = getenv
	flags.StringArrayVar(&f.allowAddresses, "allow-address", nil, httpclient.AllowUsage)
}

// sinkFlags say where events go.
type sinkFlags struct {
	kind, url, mode, prefix, subject string
	maxBytes                         byteSize
	timeout                          time.Duration
}

func (f *sinkFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.kind, "sink-kind", string(sink.Auto), "where events go: "+strings.Join(sink.Kinds(), ", "))
	flags.StringVar(&f.url, "sink-url", "", "address of the target; Kyma's publishers are found in the cluster without one")
	flags.StringVar(&f.mode, "sink-mode", "binary", "how cloudevents and nats get events: binary or structured")
	flags.Var(&f.maxBytes, "sink-max-bytes", "largest message that the target takes; 0 means 64KiB for Kyma, 1MiB otherwise")
	flags.DurationVar(&f.timeout, "sink-timeout", 10*time.Second, "limit of one publication")
	flags.StringVar(&f.prefix, "event-type-prefix", "", "start of event types for Kyma 2.1 to 2.11, such as sap.kyma.custom")
	flags.StringVar(&f.subject, "sink-subject-prefix", "", "start of NATS subjects; the application's name without one")
}

func (f *sinkFlags) options(application, credentials string) (sink.Options, error) {
	o := sink.Options{
		Kind: sink.Kind(f.kind), URL: f.url, Application: application, TypePrefix: f.prefix, MaxBytes: int(f.maxBytes), Timeout: f.timeout,
		SubjectPrefix: f.subject, CredentialsFile: credentials,
	}
	switch f.mode {
	case "binary":
	case "structured":
		o.Structured = true
	default:
		return o, fmt.Errorf("--sink-mode %q: want binary or structured", f.mode)
	}
	if o.Structured && o.Kind != sink.CloudEvents && o.Kind != sink.NATS {
		return o, fmt.Errorf("--sink-mode structured: only for --sink-kind cloudevents or nats")
	}
	return o, nil
}

// The kinds of buffers.
const (
	bufferNone      = "none"
	bufferDisk      = "disk"
	bufferJetStream = "jetstream"
)

// bufferFlags say what stands between answer and sink.
type bufferFlags struct {
	kind, dir, url, stream, credentials string
	replicas                            int
	maxBytes                            byteSize
	deadLetterAge                       time.Duration
	window                              buffer.Window
}

func (f *bufferFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.kind, "buffer", bufferNone, "none (answer when the target has the events), disk or jetstream")
	f.bindPlace(flags)
	flags.DurationVar(&f.window.Age, "dedup-window", buffer.DefaultWindow().Age, "how long an event is known, so that its repetitions are noticed")
	flags.IntVar(&f.window.IDs, "dedup-ids", buffer.DefaultWindow().IDs, "how many events are known at most")
}

// bindPlace binds what says where the buffer is.
func (f *bufferFlags) bindPlace(flags *pflag.FlagSet) {
	flags.StringVar(&f.dir, "buffer-dir", "", "directory on a persistent volume (disk)")
	flags.StringVar(&f.url, "buffer-url", "", "servers, such as nats://nats.nats.svc:4222, separated by commas (jetstream)")
	flags.StringVar(&f.stream, "buffer-stream", "", "name of the stream; made of connector and application without one (jetstream)")
	flags.IntVar(&f.replicas, "buffer-replicas", 1, "replicas of the streams (jetstream)")
	flags.Var(&f.maxBytes, "buffer-max-bytes", "bound on events and dead letters; 0 means 1GiB, or two thirds of a smaller volume")
	flags.DurationVar(&f.deadLetterAge, "dead-letter-max-age", 30*24*time.Hour, "how long dead letters are kept")
	flags.StringVar(&f.credentials, "nats-credentials", "", "NATS credentials file, for the buffer jetstream and the sink nats")
}

// check says what is missing; it opens nothing.
func (f *bufferFlags) check() error {
	switch f.kind {
	case bufferNone:
	case bufferDisk:
		if f.dir == "" {
			return errors.New("--buffer disk needs --buffer-dir, a directory on a persistent volume")
		}
	case bufferJetStream:
		if f.url == "" {
			return errors.New("--buffer jetstream needs --buffer-url, such as nats://nats.nats.svc:4222")
		}
	default:
		return fmt.Errorf("--buffer %q: want %s, %s or %s", f.kind, bufferNone, bufferDisk, bufferJetStream)
	}
	return nil
}

// streamName is the stream's name: the one given, or one that gateways of the same connector and
// application share.
func (f *bufferFlags) streamName(d *connector.Definition, application string) string {
	if f.stream != "" || d == nil {
		return f.stream
	}
	return strings.NewReplacer(".", "-", " ", "-").Replace(d.Metadata.Name + "-" + application)
}

func (f *bufferFlags) jetStream(stream string) buffer.JetStreamOptions {
	return buffer.JetStreamOptions{
		URL: f.url, CredentialsFile: f.credentials, Stream: stream, Replicas: f.replicas, Capacity: int64(f.maxBytes),
		DeadLetterAge: f.deadLetterAge, Window: f.window,
	}
}

// disk is the store of the gateway, or of a relay; share is how many have the capacity together.
func (f *bufferFlags) disk(relay string, share int) buffer.DiskOptions {
	return buffer.DiskOptions{Dir: relayDir(f.dir, relay), Share: share, Capacity: int64(f.maxBytes), DeadLetterAge: f.deadLetterAge, Window: f.window}
}

// relayDir is where the store of a relay is; the gateway's own is in the directory itself.
func relayDir(dir, relay string) string {
	if relay == "" {
		return dir
	}
	return filepath.Join(dir, "relay", relay)
}

// relayStream is the name of a relay's stream.
func relayStream(stream, relay string) string {
	if relay == "" || stream == "" {
		return stream
	}
	return stream + "-relay-" + relay
}

// payloadFlags say what becomes of events whose payload is not what the event catalog says.
type payloadFlags struct{ validate string }

func (f *payloadFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.validate, "validate-payload", "", "what to do with events whose payload is not what the event catalog says: off, warn (count and log them) or reject; without it what the definition says, or off")
}

// checker compiles the event catalog; nil where nobody asks for it. reject says that it is more than a warning.
func (f *payloadFlags) checker(d *connector.Definition) (payloads gateway.Payloads, reject bool, err error) {
	mode := f.validate
	if mode == "" && d.Events != nil {
		mode = d.Events.Validate
	}
	switch mode {
	case "", connector.ValidateOff:
		return nil, false, nil
	case connector.ValidateWarn, connector.ValidateReject:
	default:
		return nil, false, fmt.Errorf("--validate-payload %q: want %s, %s or %s", mode, connector.ValidateOff, connector.ValidateWarn, connector.ValidateReject)
	}
	checker, err := payload.New(d)
	if err != nil {
		return nil, false, fmt.Errorf("--validate-payload %s: %w", mode, err)
	}
	return checker, mode == connector.ValidateReject, nil
}

// relayFlags say how events are sent to the system.
type relayFlags struct {
	calls   int
	timeout time.Duration
}

func (f *relayFlags) bind(flags *pflag.FlagSet) {
	flags.IntVar(&f.calls, "relay-calls", 4, "calls to the system at the same time, for each relay")
	flags.DurationVar(&f.timeout, "relay-timeout", 10*time.Second, "limit of one call to the system")
}

// deliveryFlags say how events are published.
type deliveryFlags struct {
	gateway.DispatcherOptions
	backlogRate int
}

// paced returns the options with a pace of their own. At most half of all publications are a backlog's.
func (f *deliveryFlags) paced(parallel int, m *gateway.Metrics) gateway.DispatcherOptions {
	o := f.DispatcherOptions
	o.Parallel, o.Pace = parallel, gateway.NewPace(f.backlogRate, parallel/2)
	m.WatchPace(o.Pace)
	return o
}

func (f *deliveryFlags) bind(flags *pflag.FlagSet) {
	flags.IntVar(&f.Parallel, "parallel", 32, "publications at the same time (disk, jetstream)")
	flags.IntVar(&f.MaxTries, "max-tries", 20, "how often an event may fail while others succeed; then it is a dead letter (disk, jetstream)")
	flags.DurationVar(&f.MaxAge, "max-age", 72*time.Hour, "how long an event is repeated; then it is a dead letter (disk, jetstream)")
	flags.IntVar(&f.backlogRate, "backlog-rate", 1000, "events per second of a backlog at most, beside those of now, after the target was away or the gateway was started; 0 means no bound (disk, jetstream: each gateway)")
	f.Backoff = gateway.DefaultBackoff()
	flags.DurationVar(&f.Backoff.Base, "retry-wait", f.Backoff.Base, "longest wait before the first repetition; it doubles with every further one")
	flags.DurationVar(&f.Backoff.Max, "retry-wait-max", f.Backoff.Max, "longest wait before any repetition")
	flags.DurationVar(&f.Backoff.Full, "retry-wait-full", f.Backoff.Full, "longest wait before the first repetition after the target had no space (507)")
}
