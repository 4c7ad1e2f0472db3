// Package mqtt is the sending half of a client of MQTT 3.1.1: it connects, publishes in all three qualities
// of service and waits for what has to be acknowledged. What is repeated after a reconnect, and when, is
// left to the caller, so that a simulator can do it in every way.
package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// maxText bounds the texts of the protocol.
const maxText = math.MaxUint16

// Options are how a client connects.
type Options struct {
	// ClientID names the client.
	ClientID string
	// CleanSession asks the server to forget what it knew of the client.
	CleanSession bool
	// KeepAlive is the longest silence; it is told in whole seconds, rounded up.
	KeepAlive time.Duration
	// Timeout bounds single writes and the wait for the answer to a ping.
	Timeout time.Duration
}

// Message is what is published.
type Message struct {
	Topic   string
	Payload []byte
	// QoS is 0, 1 or 2.
	QoS byte
	// ID is the packet id; not 0 if QoS is 1 or 2.
	ID uint16
	// Dup says that the message was sent before.
	Dup bool
	// Received is set when the server has acknowledged a message of QoS 2 for the first time: from then on
	// it is only released, not sent again.
	Received bool
}

// Conn is a connection to a server.
type Conn struct {
	stream  io.ReadWriteCloser
	options Options
	done    chan struct{}
	pong    chan struct{}

	writing sync.Mutex
	mu      sync.Mutex
	err     error
	waiting map[uint32]chan packet // by kind and packet id
}

// Connect begins a session on a stream. It closes the stream if the server does not want it, and when ctx
// ends before the server has answered.
func Connect(ctx context.Context, stream io.ReadWriteCloser, o Options) (*Conn, error) {
	c := &Conn{stream: stream, options: o, done: make(chan struct{}), pong: make(chan struct{}, 1), waiting: map[uint32]chan packet{}}
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	reader := bufio.NewReader(stream)
	if err := c.hello(reader); err != nil {
		stream.Close()
		return nil, err
	}
	go c.read(reader)
	go c.keepAlive()
	return c, nil
}

func (c *Conn) hello(reader *bufio.Reader) error {
	flags := byte(0)
	if c.options.CleanSession {
		flags = 2
	}
	body := append(appendText(nil, "MQTT"), 4, flags)
	body = binary.BigEndian.AppendUint16(body, uint16(min(math.Ceil(c.options.KeepAlive.Seconds()), math.MaxUint16)))
	if err := c.write(packet{kind: kindConnect, body: appendText(body, c.options.ClientID)}); err != nil {
		return err
	}
	answer, err := read(reader)
	switch {
	case err != nil:
		return fmt.Errorf("no answer to CONNECT: %w", err)
	case answer.kind != kindConnack || len(answer.body) != 2:
		return fmt.Errorf("the answer to CONNECT is not CONNACK but a packet of kind %d", answer.kind)
	case answer.body[1] != 0:
		return fmt.Errorf("CONNACK says %d: the connection is refused", answer.body[1])
	}
	return nil
}

// Done is closed when the connection is no more; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection is no more, nil while it is there.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Drop cuts the connection without a word.
func (c *Conn) Drop() { c.fail(errors.New("the connection was cut by the client")) }

// Close says goodbye and ends the connection.
func (c *Conn) Close() {
	_ = c.write(packet{kind: kindDisconnect}) // it ends in any case
	c.fail(errors.New("the client has disconnected"))
}

func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.mu.Unlock()
	c.stream.Close()
	close(c.done)
}

func (c *Conn) write(p packet) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	stop := time.AfterFunc(c.options.Timeout, func() { c.stream.Close() })
	defer stop.Stop()
	_, err := c.stream.Write(p.encode())
	return err
}

// keepAlive breaks the silence, and ends the connection when the server does not answer.
func (c *Conn) keepAlive() {
	if c.options.KeepAlive <= 0 {
		return
	}
	ticker := time.NewTicker(c.options.KeepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
		}
		if err := c.write(packet{kind: kindPingreq}); err != nil {
			c.fail(err)
			return
		}
		timeout := time.NewTimer(c.options.Timeout)
		select {
		case <-c.done:
		case <-c.pong:
		case <-timeout.C:
			c.fail(errors.New("no answer to PINGREQ"))
		}
		timeout.Stop()
	}
}

// read reads what the server says until the connection ends.
func (c *Conn) read(reader *bufio.Reader) {
	for {
		p, err := read(reader)
		if err == nil {
			err = c.take(p)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *Conn) take(p packet) error {
	switch p.kind {
	case kindPingresp:
		select {
		case c.pong <- struct{}{}:
		default:
		}
		return nil
	case kindPuback, kindPubrec, kindPubcomp, kindSuback:
		id, err := p.id()
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if answer := c.waiting[key(p.kind, id)]; answer != nil {
			select {
			case answer <- p:
			default: // acknowledged twice
			}
		}
		return nil
	}
	return fmt.Errorf("the server sent a packet of kind %d, which this client has not asked for", p.kind)
}

func key(kind byte, id uint16) uint32 { return uint32(kind)<<16 | uint32(id) }

// ask sends a packet and waits for the answer to it.
func (c *Conn) ask(ctx context.Context, p packet, answer byte, id uint16) (packet, error) {
	answers := make(chan packet, 1)
	c.mu.Lock()
	c.waiting[key(answer, id)] = answers
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, key(answer, id))
	}()
	if err := c.write(p); err != nil {
		return packet{}, err
	}
	select {
	case got := <-answers:
		return got, nil
	case <-c.done:
		select {
		case got := <-answers: // the last word of the server
			return got, nil
		default:
		}
		return packet{}, fmt.Errorf("not acknowledged before the end of the connection: %w", c.Err())
	case <-ctx.Done():
		return packet{}, fmt.Errorf("not acknowledged: %w", ctx.Err())
	}
}

// Publish publishes a message and returns when it is acknowledged as its quality of service demands. It
// notes in the message how far it came, so that it can be published again on another connection.
func (c *Conn) Publish(ctx context.Context, m *Message) error {
	switch {
	case m.QoS > 2:
		return fmt.Errorf("there is no quality of service %d", m.QoS)
	case m.QoS > 0 && m.ID == 0:
		return errors.New("a message of quality of service 1 or 2 needs a packet id")
	case m.Topic == "" || len(m.Topic) > maxText:
		return errors.New("the topic is empty or too long")
	}
	body := appendText(nil, m.Topic)
	if m.QoS > 0 {
		body = binary.BigEndian.AppendUint16(body, m.ID)
	}
	p := packet{kind: kindPublish, flags: m.QoS << 1, body: append(body, m.Payload...)}
	if m.Dup && m.QoS > 0 {
		p.flags |= 8
	}
	switch {
	case m.QoS == 0:
		return c.write(p)
	case m.QoS == 1:
		_, err := c.ask(ctx, p, kindPuback, m.ID)
		return err
	case !m.Received:
		if _, err := c.ask(ctx, p, kindPubrec, m.ID); err != nil {
			return err
		}
		m.Received = true
	}
	release := packet{kind: kindPubrel, flags: 2, body: binary.BigEndian.AppendUint16(nil, m.ID)}
	_, err := c.ask(ctx, release, kindPubcomp, m.ID)
	return err
}

// Subscribe asks for topics in quality of service 1. It is an error if the answer is not one code for each.
func (c *Conn) Subscribe(ctx context.Context, id uint16, topics ...string) error {
	body := binary.BigEndian.AppendUint16(nil, id)
	for _, topic := range topics {
		body = append(appendText(body, topic), 1)
	}
	answer, err := c.ask(ctx, packet{kind: kindSubscribe, flags: 2, body: body}, kindSuback, id)
	if err != nil {
		return err
	}
	if codes := len(answer.body) - 2; codes != len(topics) {
		return fmt.Errorf("SUBACK has %d codes for %d topics", codes, len(topics))
	}
	return nil
}
