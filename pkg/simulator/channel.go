package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/mqtt"
)

// What a channel does where nothing else is said.
const (
	channelAckTimeout  = 10 * time.Second
	channelKeepAlive   = 30 * time.Second
	channelRetryAfter  = time.Second
	channelMaxFailures = 10
)

// channel sends events by MQTT 3.1.1 over WebSocket, one after the other: the next is sent when the one
// before is acknowledged. An event whose acknowledgement does not come is sent again, marked as a
// duplicate, on a new connection. After too many attempts to connect it gives up until it is activated.
type channel struct {
	name    string // client id, and space of the topics
	context context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	wake    chan struct{} // there is something to do
	hurry   chan struct{} // do not wait longer after a failure

	mu       sync.Mutex
	started  bool
	consumer *Consumer
	status   ChannelStatus
	token    string
	expires  time.Time // of the token; zero if that is not known
	conn     *mqtt.Conn
	packetID uint16
	held     *channelEvent   // the one that is overtaken
	queue    []*channelEvent // what waits
	log      []*channelEvent // the monitor
}

// channelEvent is one event on its way.
type channelEvent struct {
	Outbound
	message mqtt.Message  // only the goroutine that sends touches it
	tried   chan struct{} // closed when it was tried for the first time
}

// over lets Fire go on; the caller holds the lock of the channel.
func (e *channelEvent) over() {
	select {
	case <-e.tried:
	default:
		close(e.tried)
	}
}

func newChannel(name string) *channel {
	ctx, stop := context.WithCancel(context.Background())
	return &channel{name: name, context: ctx, stop: stop, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
}

// Connect implements Notifier: from now on the system keeps a connection. Endpoint and TokenEndpoint are
// what an administrator enters, User and Password are client id and client secret.
func (c *channel) Connect(consumer Consumer) error {
	m := consumer.Messaging
	if m == nil {
		return errors.New("connect: this system sends by MQTT: Messaging is needed")
	}
	endpoint, err := url.Parse(consumer.Endpoint)
	switch {
	case err != nil || endpoint.Host == "" || endpoint.Scheme != "ws" && endpoint.Scheme != "wss":
		return errors.New("connect: the endpoint is no ws or wss URL")
	case !webAddress(m.TokenEndpoint):
		return errors.New("connect: the token endpoint is no http or https URL")
	case consumer.User == "" || consumer.Password == "":
		return errors.New("connect: User and Password are needed: they are client id and client secret")
	case m.Quality < AtLeastOnce || m.Quality > ExactlyOnce:
		return fmt.Errorf("connect: there is no quality of service %d", m.Quality)
	}
	client := http.Client{Timeout: outboundTimeout}
	if consumer.Client != nil {
		client = *consumer.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	messaging := *m
	messaging.AckTimeout, messaging.KeepAlive = cmp.Or(m.AckTimeout, channelAckTimeout), cmp.Or(m.KeepAlive, channelKeepAlive)
	messaging.MaxFailures, messaging.Subprotocol = cmp.Or(m.MaxFailures, channelMaxFailures), cmp.Or(m.Subprotocol, "mqtt")
	consumer.Client, consumer.Messaging = &client, &messaging
	consumer.RetryAfter = cmp.Or(consumer.RetryAfter, channelRetryAfter)

	c.mu.Lock()
	old := c.conn
	c.consumer, c.token, c.conn = &consumer, "", nil
	c.status = ChannelStatus{Connects: c.status.Connects, Tokens: c.status.Tokens}
	if !c.started && c.context.Err() == nil {
		c.started = true
		c.running.Go(c.run)
	}
	c.mu.Unlock()
	if old != nil {
		old.Close()
	}
	rouse(c.wake, c.hurry)
	return nil
}

// rouse makes who waits for a signal go on.
func rouse(signals ...chan struct{}) {
	for _, signal := range signals {
		select {
		case signal <- struct{}{}:
		default:
		}
	}
}

func (c *channel) connected() (Consumer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consumer == nil || c.context.Err() != nil {
		return Consumer{}, errors.New("fire: no consumer is connected")
	}
	return *c.consumer, nil
}

// Status implements Channel.
func (c *channel) Status() ChannelStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.status
	status.Connected = c.conn != nil && c.conn.Err() == nil
	return status
}

// Disconnect implements Channel.
func (c *channel) Disconnect() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.Drop()
	}
}

// Activate implements Channel: it is what "Check Connection", "Edit" and "Save" in the arrangement do.
func (c *channel) Activate() {
	c.mu.Lock()
	c.status.Inactive, c.status.Failures = false, 0
	c.mu.Unlock()
	rouse(c.wake, c.hurry)
}

// Close implements System.
func (c *channel) Close() {
	c.stop()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Drop()
		c.conn = nil
	}
}

// Monitor implements Notifier.
func (c *channel) Monitor() []Outbound {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Outbound, 0, len(c.log))
	for _, e := range c.log {
		list = append(list, e.Outbound)
	}
	return list
}

// send puts an event into the queue and waits until it was tried for the first time.
func (c *channel) send(ctx context.Context, id, kind, topic string, payload []byte) error {
	e := &channelEvent{Outbound: Outbound{ID: id, Type: kind, State: Waiting}, message: mqtt.Message{Topic: topic, Payload: payload}, tried: make(chan struct{})}
	c.mu.Lock()
	if len(c.log) >= maxOutbound {
		c.log = append(c.log[:0], c.log[maxOutbound/2:]...)
	}
	c.log = append(c.log, e)
	switch {
	case c.consumer.OutOfOrder && c.held == nil:
		c.held = e
		c.mu.Unlock()
		return nil
	case c.consumer.OutOfOrder:
		c.queue = append(c.queue, e, c.held)
		c.held = nil
	default:
		c.queue = append(c.queue, e)
	}
	c.mu.Unlock()
	rouse(c.wake)
	return c.await(ctx, e)
}

func (c *channel) await(ctx context.Context, e *channelEvent) error {
	select {
	case <-e.tried:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.context.Done():
		return errors.New("fire: the system is closed")
	}
}

// Resend implements Notifier.
func (c *channel) Resend(ctx context.Context, id string) error {
	c.mu.Lock()
	i := slices.IndexFunc(c.log, func(e *channelEvent) bool { return e.ID == id && e.State == Failed })
	if i < 0 {
		c.mu.Unlock()
		return fmt.Errorf("resend: no failed event has the id %q", id)
	}
	e := c.log[i]
	e.State, e.tried = Waiting, make(chan struct{})
	c.queue = append(c.queue, e)
	c.mu.Unlock()
	rouse(c.wake)
	if err := c.await(ctx, e); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.State != Delivered {
		return fmt.Errorf("resend: the event was not taken: %s", e.Error)
	}
	return nil
}

// run connects, and sends what is in the queue, until the channel is closed.
func (c *channel) run() {
	pause := time.Duration(0)
	for c.context.Err() == nil {
		conn, event, consumer := c.next()
		switch {
		case conn == nil && consumer == nil: // inactive
			c.idle(nil)
		case conn == nil:
			pause = c.pause(*consumer, pause, c.connect(*consumer))
		case event == nil:
			c.idle(conn.Done())
		default:
			pause = c.pause(*consumer, pause, c.publish(conn, *consumer, event))
		}
	}
}

// next says what there is to do: with a connection and an event, publish; without a connection, connect; if
// there is no consumer either, nothing.
func (c *channel) next() (*mqtt.Conn, *channelEvent, *Consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.Err() != nil {
		c.status.Error = "connection lost: " + c.conn.Err().Error()
		c.conn = nil
	}
	switch {
	case c.status.Inactive:
		for _, e := range c.queue {
			e.over()
		}
		return nil, nil, nil
	case c.conn == nil || len(c.queue) == 0:
		return c.conn, nil, c.consumer
	}
	return c.conn, c.queue[0], c.consumer
}

// idle waits until there is something to do.
func (c *channel) idle(lost <-chan struct{}) {
	select {
	case <-c.wake:
	case <-lost:
	case <-c.context.Done():
	}
}

// pause waits after a failure, each time longer; it returns the wait before the next one.
func (c *channel) pause(consumer Consumer, last time.Duration, failed error) time.Duration {
	if failed == nil {
		return 0
	}
	next := min(max(2*last, consumer.RetryAfter), maxRetryWait)
	timer := time.NewTimer(next)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.hurry:
	case <-c.context.Done():
	}
	return next
}

// connect fetches a token if there is none, and connects.
func (c *channel) connect(consumer Consumer) error {
	ctx, cancel := context.WithTimeout(c.context, outboundTimeout)
	defer cancel()
	token, err := c.currentToken(ctx, consumer)
	var conn *mqtt.Conn
	if err == nil {
		conn, err = c.dial(ctx, consumer, token)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.status.Failures++
		c.status.Error = err.Error()
		c.status.Inactive = c.status.Failures >= consumer.Messaging.MaxFailures
		for _, e := range c.queue {
			e.Error = err.Error()
			e.over()
		}
		return err
	}
	c.conn = conn
	c.status.Connects++
	c.status.Failures, c.status.Error = 0, ""
	return nil
}

// currentToken is the token that was fetched before, or a new one.
func (c *channel) currentToken(ctx context.Context, consumer Consumer) (string, error) {
	c.mu.Lock()
	token, expires := c.token, c.expires
	c.mu.Unlock()
	if token != "" && (expires.IsZero() || time.Now().Before(expires)) {
		return token, nil
	}
	token, lifetime, err := fetchToken(ctx, consumer)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Tokens++
	c.token, c.expires = token, time.Time{}
	if lifetime > 0 {
		c.expires = time.Now().Add(lifetime)
	}
	return token, nil
}

// fetchToken asks for a token by the grant "client_credentials".
func fetchToken(ctx context.Context, consumer Consumer) (string, time.Duration, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if consumer.Messaging.TokenInBody {
		form.Set("client_id", consumer.User)
		form.Set("client_secret", consumer.Password)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, consumer.Messaging.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !consumer.Messaging.TokenInBody {
		req.SetBasicAuth(url.QueryEscape(consumer.User), url.QueryEscape(consumer.Password))
	}
	resp, err := consumer.Client.Do(req)
	if err != nil {
		return "", 0, fmt.Errorf("token endpoint: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if resp.StatusCode != http.StatusOK {
		return "", 0, &refusal{what: "token endpoint: it answers", status: resp.StatusCode}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil || answer.AccessToken == "" || !strings.EqualFold(answer.TokenType, "bearer") {
		return "", 0, errors.New("token endpoint: its answer has no access_token of token_type Bearer")
	}
	return answer.AccessToken, time.Duration(answer.ExpiresIn) * time.Second, nil
}

// dial connects with the token, which is only looked at now: a connection may outlive it.
func (c *channel) dial(ctx context.Context, consumer Consumer, token string) (*mqtt.Conn, error) {
	m := consumer.Messaging
	conn, err := dialMQTT(ctx, c.context, consumer, "Bearer "+token, c.name)
	if err != nil {
		if errors.As(err, new(*refusal)) {
			c.mu.Lock()
			c.token = "" // the next attempt fetches a new one
			c.mu.Unlock()
		}
		return nil, err
	}
	if m.Subscribe {
		if err := conn.Subscribe(ctx, c.nextID(), c.name+"/#"); err != nil {
			conn.Drop()
			return nil, fmt.Errorf("MQTT: %w", err)
		}
	}
	return conn, nil
}

// dialMQTT connects with the Authorization header that is given. ctx bounds connecting, life the connection.
func dialMQTT(ctx, life context.Context, consumer Consumer, authorization, clientID string) (*mqtt.Conn, error) {
	m := consumer.Messaging
	//nolint:bodyclose // the library closes it
	ws, resp, err := websocket.Dial(ctx, consumer.Endpoint, &websocket.DialOptions{
		HTTPClient: consumer.Client, HTTPHeader: http.Header{"Authorization": {authorization}}, Subprotocols: []string{m.Subprotocol},
	})
	if err != nil {
		if resp == nil {
			return nil, fmt.Errorf("WebSocket: %w", err)
		}
		return nil, &refusal{what: "WebSocket: the server answers", status: resp.StatusCode}
	}
	if ws.Subprotocol() != m.Subprotocol {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("WebSocket: the server does not agree to the subprotocol %s", m.Subprotocol)
	}
	stream := frames{Conn: websocket.NetConn(life, ws, websocket.MessageBinary), ws: ws, size: m.FrameSize}
	conn, err := mqtt.Connect(ctx, stream, mqtt.Options{ClientID: clientID, KeepAlive: m.KeepAlive, Timeout: outboundTimeout})
	if err != nil {
		return nil, fmt.Errorf("MQTT: %w", err)
	}
	return conn, nil
}

// refusal is an answer that lets a client no further.
type refusal struct {
	what   string
	status int
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s %d %s", r.what, r.status, http.StatusText(r.status))
}

// frames writes a stream of bytes as frames.
type frames struct {
	net.Conn
	ws   *websocket.Conn
	size int
}

// Write implements io.Writer.
func (f frames) Write(p []byte) (int, error) {
	if f.size <= 0 {
		return f.Conn.Write(p)
	}
	written := 0
	for frame := range slices.Chunk(p, f.size) {
		n, err := f.Conn.Write(frame)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Close ends the connection without waiting for the other side.
func (f frames) Close() error { return f.ws.CloseNow() }

// nextID is a new packet id.
func (c *channel) nextID() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packetID++
	if c.packetID == 0 {
		c.packetID = 1
	}
	return c.packetID
}

// publish sends the first event of the queue once.
func (c *channel) publish(conn *mqtt.Conn, consumer Consumer, e *channelEvent) error {
	m := &e.message
	m.QoS = consumer.Messaging.Quality.level()
	if m.ID == 0 {
		m.ID = c.nextID()
	}
	err := c.transmit(conn, consumer, m)
	for range consumer.Duplicates {
		if err == nil {
			again := *m
			again.ID, again.Dup, again.Received = c.nextID(), false, false
			_ = c.transmit(conn, consumer, &again) // it was taken before: nobody cares
		}
	}
	if err != nil {
		m.Dup = true
		conn.Drop()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Attempts++
	e.Error = ""
	switch {
	case err == nil:
		e.State = Delivered
		c.queue = c.queue[1:]
	case m.QoS == 0 || consumer.MaxAttempts > 0 && e.Attempts >= consumer.MaxAttempts:
		e.State, e.Error = Failed, err.Error()
		c.queue = c.queue[1:]
	default:
		e.Error = err.Error()
	}
	e.over()
	return err
}

func (c *channel) transmit(conn *mqtt.Conn, consumer Consumer, m *mqtt.Message) error {
	ctx, cancel := context.WithTimeout(c.context, consumer.Messaging.AckTimeout)
	defer cancel()
	return conn.Publish(ctx, m)
}
