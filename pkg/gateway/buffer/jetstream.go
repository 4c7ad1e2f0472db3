package buffer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// JetStreamOptions describe the streams. A zero value means the default that is named.
type JetStreamOptions struct {
	// URL is nats://host:4222 or tls://host:4222; several are separated by commas.
	URL string
	// CredentialsFile is a NATS credentials file. Optional.
	CredentialsFile string
	// Stream is the name of the stream of events; that of the dead letters ends in "-dead". Gateways that
	// share the name share the work.
	Stream string
	// Replicas of the streams; default 1.
	Replicas int
	// Capacity bounds the bytes of each stream; default 1 GiB.
	Capacity int64
	// DeadLetterAge is how long dead letters are kept; default 30 days.
	DeadLetterAge time.Duration
	Window        Window
	// AckWait is after how long of silence a stream gives an event to somebody else; default 30s.
	AckWait time.Duration
	// LettersOnly takes no events out of the stream: for those who only look after dead letters.
	LettersOnly bool
	// Pace bounds how fast events that have waited are handed out; nil means as fast as they are taken. It is
	// the dispatcher's, too.
	Pace    *gateway.Pace
	Metrics *gateway.Metrics
	Logger  *slog.Logger
}

// The lanes of events without a key, in one stream and each with a consumer of its own. Events go to the lane of now, unless
// more wait there than a moment's and nothing moves: then they go to the other, where a backlog may become as long as
// it will. Once the target takes events again, the few in the lane of now are published, and from then on what arrives
// passes the backlog.
const (
	laneNow = "now"
	laneAny = "any"
	// maxNow is how many events wait in the lane of now at most, for each gateway, while none is published; maxMoving while
	// some are.
	maxNow    = 64
	maxMoving = 4096
)

const (
	// partitions is the number of events with different keys that can be under way at the same time.
	partitions = 8
	// jetStreamAhead bounds the events that one gateway holds of the stream without an order.
	jetStreamAhead = 64
	// callTimeout bounds each call to NATS.
	callTimeout = 5 * time.Second
	// maxRemembered bounds the events that failed and whose tries are counted.
	maxRemembered = 4096
)

// JetStream keeps events in a NATS cluster. Its promise is that of the streams: an event is safe when as
// many servers as the stream has replicas hold it.
type JetStream struct {
	o          JetStreamOptions
	connection *nats.Conn
	js         jetstream.JetStream

	now     chan *gateway.Item // what goes first
	old     chan *gateway.Item // of a backlog
	waiting atomic.Int64       // events in the lane of now, as far as is known
	moved   atomic.Int64       // when an event of that lane was last published
	behind  atomic.Int64       // consumers with a backlog
	cancel  context.CancelFunc
	stopped sync.WaitGroup

	ready  atomic.Bool
	status atomic.Pointer[gateway.BufferStatus]
	dead   atomic.Pointer[jetstream.Stream]

	mu     sync.Mutex
	failed map[string]gateway.Item // tries of events that will come again
}

// OpenJetStream connects. Servers that are away do not keep the gateway from starting: until they answer,
// Append says that events cannot be taken.
func OpenJetStream(o JetStreamOptions) (*JetStream, error) {
	if o.Capacity <= 0 {
		o.Capacity = 1 << 30
	}
	if o.DeadLetterAge <= 0 {
		o.DeadLetterAge = 30 * 24 * time.Hour
	}
	if o.Replicas <= 0 {
		o.Replicas = 1
	}
	if o.AckWait <= 0 {
		o.AckWait = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = telemetry.Discard()
	}
	if o.Metrics == nil {
		o.Metrics = gateway.NewMetrics(telemetry.NewMetrics(gateway.MetricsPrefix))
	}
	o.Window = o.Window.withDefaults()
	if err := checkServers(o.URL); err != nil {
		return nil, fmt.Errorf("buffer jetstream: %w", err)
	}
	if o.Stream == "" || strings.ContainsAny(o.Stream, " .*>/\\\t\r\n") {
		return nil, fmt.Errorf("buffer jetstream: stream name %q: want letters, digits, - and _: set --buffer-stream", o.Stream)
	}
	options := []nats.Option{
		nats.Name("event-gateway buffer"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.Timeout(callTimeout), nats.ReconnectWait(time.Second),
	}
	if o.CredentialsFile != "" {
		options = append(options, nats.UserCredentials(o.CredentialsFile))
	}
	connection, err := nats.Connect(o.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("buffer jetstream: %w: check --buffer-url and --nats-credentials", err)
	}
	js, err := jetstream.New(connection)
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("buffer jetstream: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &JetStream{o: o, connection: connection, js: js, now: make(chan *gateway.Item), old: make(chan *gateway.Item), cancel: cancel, failed: map[string]gateway.Item{}}
	b.status.Store(&gateway.BufferStatus{Capacity: o.Capacity, Problem: errors.New("the streams have not been reached yet")})
	b.stopped.Go(func() { b.run(ctx) })
	return b, nil
}

func checkServers(urls string) error {
	for raw := range strings.SplitSeq(urls, ",") {
		u, err := url.Parse(strings.TrimSpace(raw))
		switch {
		case err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls":
			return errors.New("--buffer-url: want nats://host:4222 or tls://host:4222")
		case u.User != nil:
			return errors.New("--buffer-url: take user and password out of the URL, and name a credentials file with --nats-credentials")
		}
	}
	return nil
}

func (b *JetStream) deadStream() string  { return b.o.Stream + "-dead" }
func (b *JetStream) deadSubject() string { return b.o.Stream + ".dead" }

// subject sends events with a key to one of a few partitions, in which one event at a time is under way.
func (b *JetStream) subject(key string) string {
	if key == "" {
		return b.o.Stream + ".events." + b.lane()
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return b.o.Stream + ".events." + strconv.Itoa(int(h.Sum32()%partitions))
}

// lane is the one for an event without a key that arrives.
func (b *JetStream) lane() string {
	waiting := b.waiting.Load()
	moves := time.Since(time.Unix(0, b.moved.Load())) < backlogAge
	if waiting >= maxNow && !moves || waiting >= maxMoving {
		return laneAny
	}
	b.waiting.Add(1)
	return laneNow
}

// run makes the streams, as soon as that is possible, and consumes.
func (b *JetStream) run(ctx context.Context) {
	consumers, err := b.prepare(ctx)
	for wait := time.Second; err != nil; wait = min(2*wait, time.Minute) {
		b.problem(fmt.Errorf("the streams cannot be used: %w", err))
		if !sleep(ctx, wait) {
			return
		}
		consumers, err = b.prepare(ctx)
	}
	b.ready.Store(true)
	var group sync.WaitGroup
	if b.o.LettersOnly {
		consumers = nil
	}
	for _, consumer := range consumers {
		c := newConsumption(b, consumer)
		switch consumer.CachedInfo().Name {
		case laneNow:
			c.now, c.ahead = true, jetStreamAhead
		case laneAny:
			c.ahead = jetStreamAhead
		}
		c.left = consumer.CachedInfo().NumPending
		c.falls(c.left > 0 && !c.now)
		group.Go(func() { c.run(ctx) })
	}
	group.Go(func() { b.watch(ctx) })
	group.Wait()
}

func (b *JetStream) problem(err error) {
	s := *b.status.Load()
	s.Problem = err
	b.status.Store(&s)
	b.o.Logger.Warn("the buffer's streams cannot be used", "error", err.Error())
}

// noStream explains why a stream could not be made.
func (b *JetStream) noStream(name string, err error) error {
	if strings.Contains(err.Error(), "insufficient storage") { // of a server, or of all those of a cluster
		return fmt.Errorf("stream %s: %w: the servers set room aside for events and as much for dead letters, twice %d MiB: give them more, or set a smaller --buffer-max-bytes (chart: buffer.jetstream.size)",
			name, err, b.o.Capacity>>20)
	}
	return fmt.Errorf("stream %s: %w", name, err)
}

// prepare makes or updates streams and consumers.
func (b *JetStream) prepare(ctx context.Context) ([]jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*callTimeout)
	defer cancel()
	events, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: b.o.Stream, Description: "events that wait to be published", Subjects: []string{b.o.Stream + ".events.*"},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxBytes: b.o.Capacity, Duplicates: b.o.Window.Age, Replicas: b.o.Replicas,
	})
	if err != nil {
		return nil, b.noStream(b.o.Stream, err)
	}
	dead, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: b.deadStream(), Description: "events that could not be published", Subjects: []string{b.deadSubject()},
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxBytes: b.o.Capacity, MaxAge: b.o.DeadLetterAge, Duplicates: min(b.o.DeadLetterAge, time.Hour), Replicas: b.o.Replicas,
	})
	if err != nil {
		return nil, b.noStream(b.deadStream(), err)
	}
	b.dead.Store(&dead)
	var consumers []jetstream.Consumer
	for i := -2; i < partitions; i++ {
		name, pending := strconv.Itoa(i), 1
		switch i {
		case -2:
			name, pending = laneNow, 1024
		case -1:
			name, pending = laneAny, 1024
		}
		consumer, err := events.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: name, FilterSubject: b.o.Stream + ".events." + name, AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: b.o.AckWait, MaxAckPending: pending, MaxDeliver: -1,
		})
		if err != nil {
			return nil, fmt.Errorf("consumer %s: %w", name, err)
		}
		consumers = append(consumers, consumer)
	}
	return consumers, nil
}

// watch keeps the status up to date.
func (b *JetStream) watch(ctx context.Context) {
	for {
		switch s, err := b.look(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			b.problem(err)
		default:
			b.status.Store(&s)
			if b.behind.Load() == 0 {
				b.o.Pace.Clear()
			}
		}
		if !sleep(ctx, time.Second) {
			return
		}
	}
}

func (b *JetStream) look(ctx context.Context) (gateway.BufferStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s := gateway.BufferStatus{Capacity: b.o.Capacity}
	for _, name := range []string{b.o.Stream, b.deadStream()} {
		stream, err := b.js.Stream(ctx, name)
		if err != nil {
			return s, fmt.Errorf("stream %s: %w", name, err)
		}
		state := stream.CachedInfo().State
		s.Bytes += int64(state.Bytes)
		if name == b.o.Stream {
			s.Waiting = int64(state.Msgs)
		} else {
			s.DeadLetters = int64(state.Msgs)
		}
	}
	// Other gateways take events of that lane, too.
	now, err := b.js.Consumer(ctx, b.o.Stream, laneNow)
	if err != nil {
		return s, fmt.Errorf("consumer %s: %w", laneNow, err)
	}
	b.waiting.Store(int64(now.CachedInfo().NumPending))
	return s, nil
}

// Append implements gateway.Buffer. Events that were stored before an error are duplicates when the sender
// repeats the delivery.
func (b *JetStream) Append(ctx context.Context, r *gateway.Record) ([]bool, error) {
	if !b.ready.Load() {
		return nil, &gateway.UnavailableError{Reason: gateway.ReasonUnavailable, RetryAfter: 5 * time.Second, Err: errors.New("the streams have not been reached yet")}
	}
	duplicates := make([]bool, len(r.Entries))
	for i, id := range idsOf(r) {
		entry := r.Entries[i]
		name := ""
		if entry.Event.ID != "" {
			name = hex.EncodeToString(id[:])
		}
		var err error
		if duplicates[i], err = b.store(ctx, r.Delivery, entry, name); err != nil {
			return nil, err
		}
	}
	return duplicates, nil
}

// store publishes an entry to its stream. The name, if any, is what repetitions are noticed by.
func (b *JetStream) store(ctx context.Context, d gateway.Delivery, entry gateway.Entry, name string) (duplicate bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	data, err := encodeEntry(d, entry, b.connection.MaxPayload())
	if err != nil {
		return false, err
	}
	subject := b.subject(entry.Key)
	if entry.Failure != nil {
		subject = b.deadSubject()
	}
	var options []jetstream.PublishOpt
	if name != "" {
		options = append(options, jetstream.WithMsgID(name))
	}
	ack, err := b.js.Publish(ctx, subject, data, options...)
	if err != nil {
		reason := gateway.ReasonUnavailable
		var api *jetstream.APIError
		if errors.As(err, &api) && (api.ErrorCode == 10077 || api.ErrorCode == 10023) { // the stream, or the server's disk
			reason = gateway.ReasonFull
		}
		return false, &gateway.UnavailableError{Reason: reason, RetryAfter: 5 * time.Second, Err: err}
	}
	return ack.Duplicate, nil
}

// encodeEntry is an entry as a message. Where it would be larger than the server takes, the raw body is
// left out: the event is what counts.
func encodeEntry(d gateway.Delivery, entry gateway.Entry, limit int64) ([]byte, error) {
	r := gateway.Record{Delivery: d, Entries: []gateway.Entry{entry}}
	for {
		data, err := r.AppendBinary(newFrame(nil, kindEvent))
		if err != nil {
			return nil, err
		}
		switch {
		case limit <= 0 || int64(len(data)) <= limit-512:
			return seal(data, 0, 0), nil
		case r.Delivery.Body == nil || !entry.Mapped():
			return nil, &gateway.PublishError{Reason: gateway.ReasonTooLarge, Permanent: true, Detail: fmt.Sprintf("the event takes %d bytes, the buffer takes at most %d", len(data), limit)}
		}
		r.Delivery.Body = nil
	}
}

func decodeEntry(data []byte) (*gateway.Record, error) {
	f, err := openFrame(kindEvent, 0, data)
	if err != nil {
		return nil, err
	}
	r, err := gateway.DecodeRecord(f.payload)
	if err != nil || len(r.Entries) != 1 {
		return nil, errDamaged
	}
	return r, nil
}

// Next implements gateway.Queue.
func (b *JetStream) Next(ctx context.Context) (*gateway.Item, error) {
	select {
	case item := <-b.now:
		return item, nil
	default:
	}
	select {
	case item := <-b.now:
		return item, nil
	case item := <-b.old:
		return item, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Settle implements gateway.Queue.
func (b *JetStream) Settle(item *gateway.Item, s gateway.Settlement) {
	l := item.Handle.(*lease)
	defer l.consumption.settled(l)
	if l.paced {
		b.o.Pace.Return()
	}
	if s.Failure != nil {
		entry := *item.Entry()
		entry.Failure = s.Failure
		if _, err := b.store(context.Background(), item.Record.Delivery, entry, "dead-"+l.name); err != nil {
			b.o.Logger.Error("a dead letter cannot be kept; the event is tried again", "error", err.Error())
			s.Retry = callTimeout
		}
	}
	if s.Retry > 0 {
		b.remember(l.name, *item)
		_ = l.message.NakWithDelay(s.Retry) // without it, the event comes again after AckWait
		return
	}
	b.remember(l.name, gateway.Item{})
	if l.consumption.now {
		b.moved.Store(time.Now().UnixNano())
	}
	_ = l.message.Ack() // without it, the event is published again, with the same id
}

// remember counts an event's tries while it is not here. An empty item forgets them.
func (b *JetStream) remember(name string, item gateway.Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if item.Failures == 0 || len(b.failed) >= maxRemembered {
		delete(b.failed, name)
		return
	}
	item.Record, item.Handle = nil, nil
	b.failed[name] = item
}

func (b *JetStream) recall(name string) gateway.Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed[name]
}

// Status implements gateway.Buffer.
func (b *JetStream) Status() gateway.BufferStatus {
	s := *b.status.Load()
	if s.Problem == nil && s.Bytes >= s.Capacity {
		s.Problem = errors.New("the buffer is full: enlarge its capacity, or see to it that the target takes events")
	}
	return s
}

// Leave implements gateway.Shared.
func (b *JetStream) Leave() { b.cancel() }

// Close implements gateway.Buffer. What was not published is given back: another gateway, or the next one, has it at once.
func (b *JetStream) Close() error {
	b.Leave()
	b.stopped.Wait()
	err := b.connection.FlushTimeout(callTimeout)
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrTimeout) {
		err = nil // what is not acknowledged comes again
	}
	b.connection.Close()
	return err
}

// lease is an event that this gateway holds of a stream.
type lease struct {
	consumption *consumption
	message     jetstream.Msg
	name        string
	item        *gateway.Item
	paced       bool // it is of a backlog, and may go
}

// consumption takes events of one consumer and keeps them leased until they are settled.
type consumption struct {
	buffer   *JetStream
	consumer jetstream.Consumer
	ahead    int
	now      bool // what it has goes first, and is too little to hurt anybody

	messages chan jetstream.Msg // what the request under way brings
	wanted   int                // how many it still has to bring
	held     map[*lease]struct{}
	pending  []*lease
	done     chan *lease
	gone     chan struct{} // closed when nobody reads messages and done any more
	left     uint64        // what it could still have, as far as is known
	behind   bool          // it has a backlog
}

func newConsumption(b *JetStream, consumer jetstream.Consumer) *consumption {
	return &consumption{
		buffer: b, consumer: consumer, ahead: 1,
		messages: make(chan jetstream.Msg), held: map[*lease]struct{}{}, done: make(chan *lease, jetStreamAhead), gone: make(chan struct{}),
	}
}

// another is how soon to look again where another event of a backlog has to come back first.
const another = 20 * time.Millisecond

// head is the event that goes next, and where. Without a place, wait says when to look again.
func (c *consumption) head() (to chan *gateway.Item, head *gateway.Item, wait time.Duration) {
	if len(c.pending) == 0 {
		if c.left == 0 {
			c.falls(false)
		}
		return nil, nil, time.Hour
	}
	l := c.pending[0]
	if c.now {
		return c.buffer.now, l.item, time.Hour
	}
	if young := backlogAge - time.Since(l.item.Record.Delivery.Received); young > 0 {
		c.falls(false)
		return c.buffer.now, l.item, young
	}
	c.falls(true)
	if l.paced {
		return c.buffer.old, l.item, time.Hour
	}
	wait, ok := c.buffer.o.Pace.TryTake()
	switch {
	case !ok:
		return nil, nil, another
	case wait > 0:
		return nil, nil, wait
	}
	l.paced = true
	return c.buffer.old, l.item, time.Hour
}

// falls says whether it has a backlog.
func (c *consumption) falls(behind bool) {
	switch {
	case behind && !c.behind:
		c.buffer.behind.Add(1)
	case !behind && c.behind:
		c.buffer.behind.Add(-1)
	}
	c.behind = behind
}

func (c *consumption) run(ctx context.Context) {
	defer close(c.gone)
	keep := time.NewTicker(c.buffer.o.AckWait / 3)
	defer keep.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	look := time.NewTimer(time.Hour)
	defer look.Stop()
	quiet := time.NewTimer(callTimeout)
	defer quiet.Stop()
	var request jetstream.ConsumeContext
	var ended <-chan struct{} // of the request
	ready := false
	for {
		if request == nil && ready && len(c.held) < c.ahead {
			var err error
			if request, err = c.ask(c.ahead - len(c.held)); err != nil {
				ready = false
				retry.Reset(time.Second)
			} else {
				ended = request.Closed()
				quiet.Reset(callTimeout)
			}
		}
		out, head, wait := c.head()
		look.Reset(wait)
		select {
		case <-look.C:
		case message := <-c.messages:
			quiet.Reset(callTimeout)
			c.take(message)
		case <-ended:
			if request, ended = nil, nil; c.wanted > 0 {
				ready = false
				retry.Reset(time.Second)
			}
		case <-quiet.C:
			if request != nil {
				c.left = 0 // others may have taken what there was
			}
		case out <- head:
			c.pending = c.pending[1:]
		case l := <-c.done:
			delete(c.held, l)
		case <-keep.C:
			for l := range c.held {
				_ = l.message.InProgress()
			}
		case <-retry.C:
			ready = true
		case <-ctx.Done():
			c.leave(request, ended)
			return
		}
	}
}

// ask requests n messages. It ends by itself when they have come.
func (c *consumption) ask(n int) (jetstream.ConsumeContext, error) {
	c.wanted = n
	return c.consumer.Consume(func(message jetstream.Msg) {
		select {
		case c.messages <- message:
		case <-c.gone:
		}
	}, jetstream.PullMaxMessages(n), jetstream.StopAfter(n), jetstream.PullExpiry(callTimeout))
}

// leave gives back what was not handed out. The request ends before that: the server would otherwise hand it to the very
// gateway that goes, and nobody else could have it before AckWait. What is on its way to the request still comes.
func (c *consumption) leave(request jetstream.ConsumeContext, ended <-chan struct{}) {
	if request != nil && c.buffer.connection.IsConnected() {
		request.Drain()
		limit := time.NewTimer(callTimeout)
		defer limit.Stop()
		for ended != nil {
			select {
			case message := <-c.messages:
				c.take(message)
			case l := <-c.done:
				delete(c.held, l)
			case <-ended:
				ended = nil
			case <-limit.C:
				ended = nil
			}
		}
	}
	for _, l := range c.pending {
		_ = l.message.Nak() // without it, another gateway has it after AckWait
	}
}

// settled says that an event is here no more.
func (c *consumption) settled(l *lease) {
	select {
	case c.done <- l:
	case <-c.gone:
	}
}

func (c *consumption) take(message jetstream.Msg) {
	c.wanted--
	meta, err := message.Metadata()
	if err != nil {
		return
	}
	record, err := decodeEntry(message.Data())
	if err != nil {
		c.buffer.o.Logger.Error("a message of the buffer is damaged and cannot be published", "sequence", meta.Sequence.Stream)
		c.buffer.o.Metrics.Damaged(1)
		_ = message.Term()
		return
	}
	l := &lease{consumption: c, message: message, name: strconv.FormatUint(meta.Sequence.Stream, 10)}
	c.left = meta.NumPending
	if c.now {
		c.buffer.waiting.Store(int64(meta.NumPending))
	}
	item := c.buffer.recall(l.name)
	item.Record, item.Handle = record, l
	l.item = &item
	c.held[l] = struct{}{}
	c.pending = append(c.pending, l)
}
