package mqtt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// ending is why a session ended.
type ending struct {
	// reason is one of a bounded set, for metrics.
	reason string
	// status and text are told to the client; without a status there is nobody to tell.
	status websocket.StatusCode
	text   string
}

var (
	endClient       = &ending{"client", websocket.StatusNormalClosure, "the client disconnected"}
	endGone         = &ending{"gone", 0, "the connection broke"}
	endTimeout      = &ending{"timeout", websocket.StatusPolicyViolation, "no packet within one and a half times the keep alive, or one that came too slowly"}
	endExpired      = &ending{"expired", websocket.StatusPolicyViolation, "the token has expired: get a new one and connect again"}
	endUnauthorized = &ending{"unauthorized", websocket.StatusPolicyViolation, "the credentials are not accepted any more: connect again with new ones"}
	endUnavailable  = &ending{"unavailable", websocket.StatusTryAgainLater, "the message cannot be taken at the moment: connect again and repeat it"}
	endRefused      = &ending{"refused", websocket.StatusPolicyViolation, "the message cannot be used, and nothing is kept here"}
	endTooLarge     = &ending{"too_large", websocket.StatusMessageTooBig, errTooLarge.Error()}
	endQoS          = &ending{"qos", websocket.StatusPolicyViolation, "this quality of service is not taken"}
	endVersion      = &ending{"version", websocket.StatusProtocolError, errVersion.Error()}
	endIdentifier   = &ending{"identifier", websocket.StatusProtocolError, "a session that is kept needs a client identifier"}
	endText         = &ending{"protocol", websocket.StatusUnsupportedData, errText.Error()}
	endTakenOver    = &ending{"taken_over", websocket.StatusPolicyViolation, "the client connected again"}
	endDraining     = &ending{"draining", websocket.StatusGoingAway, "the gateway shuts down: connect again"}
)

// Return codes of a CONNACK (MQTT 3.1.1, section 3.2.2.3).
const (
	connectAccepted   = 0
	connectVersion    = 1
	connectIdentifier = 2
)

// conn is what a session talks through.
type conn interface {
	io.ReadWriter
	SetReadDeadline(time.Time)
	// Close tells the client why, within a bounded time; Abort does not.
	Close(*ending)
	Abort()
}

// session is one connection of a client.
type session struct {
	handler *Handler
	// proof has the headers that the client proved with who it is; every message is verified by them again,
	// so that a secret that was withdrawn ends a session, too.
	proof  gateway.Delivery
	client string // its identifier; guarded by the handler's lock
	// silence is how long the client may be silent; 0 means for ever.
	silence time.Duration
	in      *bufio.Reader
	limits  limits

	mu    sync.Mutex
	conn  conn
	ended *ending // by somebody else
}

func newSession(h *Handler, proof gateway.Delivery) *session {
	return &session{handler: h, proof: proof, limits: limits{maxMessage: h.options.MaxPacket, reserve: h.reserve, release: h.release}}
}

// run serves the connection until the session ends, and closes it.
func (s *session) run(ctx context.Context, c conn, until time.Time) *ending {
	s.mu.Lock()
	s.conn, s.in = c, bufio.NewReaderSize(c, 2<<10)
	s.mu.Unlock()
	if !until.IsZero() {
		expiry := time.AfterFunc(time.Until(until), func() { s.end(endExpired) })
		defer expiry.Stop()
	}
	why := s.connect()
	if why == nil {
		why = s.serve(ctx)
	}
	c.Close(why)
	return why
}

// end makes the session end as soon as it has finished what it is doing.
func (s *session) end(why *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = why
		if s.conn != nil {
			s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes a read that waits
		}
	}
}

// abort cuts the connection off.
func (s *session) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Abort()
	}
}

// readWithin bounds the reads that follow; 0 means for ever. It returns why the session has to end, if it
// has to.
func (s *session) readWithin(d time.Duration) *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	s.conn.SetReadDeadline(deadline)
	return nil
}

// failed says what it means that a packet could not be read.
func (s *session) failed(err error) *ending {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	var broken *malformed
	switch {
	case ended != nil:
		return ended
	case errors.Is(err, os.ErrDeadlineExceeded):
		return endTimeout
	case errors.Is(err, errTooLarge):
		return endTooLarge
	case errors.Is(err, errNoRoom):
		return endUnavailable
	case errors.Is(err, errText):
		return endText
	case errors.As(err, &broken):
		return &ending{"protocol", websocket.StatusProtocolError, broken.Error()}
	default:
		return endGone
	}
}

// connect takes the CONNECT.
func (s *session) connect() *ending {
	if why := s.readWithin(s.handler.options.ConnectTimeout); why != nil {
		return why
	}
	p, err := readPacket(s.in, s.limits)
	switch {
	case errors.Is(err, errVersion):
		if why := s.write(connack(connectVersion)); why != nil {
			return why
		}
		return endVersion
	case err != nil:
		return s.failed(err)
	}
	s.handler.release(p.held)
	switch {
	case p.FixedHeader.Type != packets.Connect:
		return s.failed(&malformed{packets.ErrProtocolViolationRequireFirstConnect})
	case p.Connect.ClientIdentifier == "" && !p.Connect.Clean:
		if why := s.write(connack(connectIdentifier)); why != nil {
			return why
		}
		return endIdentifier
	}
	s.handler.identify(s, p.Connect.ClientIdentifier)
	s.silence = time.Duration(p.Connect.Keepalive) * time.Second * 3 / 2
	return s.write(connack(connectAccepted))
}

// serve takes packets until the session ends.
func (s *session) serve(ctx context.Context) *ending {
	for {
		if why := s.readWithin(s.silence); why != nil {
			return why
		}
		if _, err := s.in.Peek(1); err != nil {
			return s.failed(err)
		}
		if why := s.readWithin(s.handler.options.PacketTimeout); why != nil {
			return why
		}
		p, err := readPacket(s.in, s.limits)
		if err != nil {
			return s.failed(err)
		}
		why := s.take(ctx, p)
		s.handler.release(p.held)
		if why != nil {
			return why
		}
	}
}

// take does what a packet asks for.
func (s *session) take(ctx context.Context, p *packet) *ending {
	switch p.FixedHeader.Type {
	case packets.Publish:
		return s.publish(ctx, p)
	case packets.Pubrel:
		return s.write(acknowledgement(packets.Pubcomp, p.PacketID))
	case packets.Subscribe:
		return s.write(suback(p))
	case packets.Unsubscribe:
		return s.write(acknowledgement(packets.Unsuback, p.PacketID))
	case packets.Pingreq:
		return s.write(acknowledgement(packets.Pingresp, 0))
	case packets.Disconnect:
		return endClient
	default:
		return s.failed(&malformed{packets.ErrProtocolViolationSecondConnect})
	}
}

// publish takes a message through the pipeline and acknowledges it.
func (s *session) publish(ctx context.Context, p *packet) *ending {
	o := s.handler.options
	if !s.handler.takes(p.FixedHeader.Qos) {
		return endQoS
	}
	d := s.proof
	d.Topic, d.Body = p.TopicName, p.Payload
	var answer gateway.Answer
	if p.cut {
		if _, ok := o.Pipeline.Verify(ctx, o.Route, &d); !ok {
			return endUnauthorized
		}
		answer = o.Pipeline.TakeCut(ctx, o.Route, &d, errCut.Error())
	} else {
		answer = o.Pipeline.Handle(ctx, o.Route, &d)
	}
	switch answer.Outcome {
	case gateway.Accepted, gateway.Duplicate, gateway.Ignored, gateway.DeadLettered:
	case gateway.Rejected, gateway.Malformed, gateway.Unknown, gateway.TooLarge, gateway.Unsupported:
		// What is kept for somebody to look at, or what the definition itself does not want, is done with: it would be
		// repeated for ever. Everything else is the sender's, as nobody else has it.
		if answer.Withheld && p.FixedHeader.Qos > 0 {
			return endRefused
		}
	case gateway.Refused, gateway.Limited:
		return endUnauthorized
	default:
		if p.FixedHeader.Qos > 0 {
			return endUnavailable
		}
		// Lost, as its sender accepts.
	}
	switch p.FixedHeader.Qos {
	case 1:
		return s.write(acknowledgement(packets.Puback, p.PacketID))
	case 2:
		return s.write(acknowledgement(packets.Pubrec, p.PacketID))
	}
	return nil
}

func (s *session) write(p packets.Packet) *ending {
	data, err := encode(p)
	if err == nil {
		_, err = s.conn.Write(data)
	}
	if err != nil {
		return endGone
	}
	return nil
}
