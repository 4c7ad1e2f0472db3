package mqtt_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/mqtt"
)

func TestMessagesOfEveryQuality(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c, _ := s.client(t, "system", nil)
	connect(t, c)
	for qos := byte(0); qos <= 2; qos++ {
		wait(t, c.Publish(fmt.Sprintf("EXTFACTORY/%d", qos), qos, true, fmt.Sprintf("message %d", qos)))
	}
	require.Eventually(t, func() bool { return len(s.bodies()) == 3 }, patience, time.Millisecond)
	for qos, r := range s.appended {
		assert.Equal(t, fmt.Sprintf("message %d", qos), string(r.Delivery.Body))
		assert.Equal(t, fmt.Sprintf("EXTFACTORY/%d", qos), r.Delivery.Topic)
		assert.Empty(t, r.Delivery.Header, "no credentials are kept")
	}
	assert.Equal(t, "3", s.metric(`deliveries_total{route="mqtt",outcome="accepted"}`))
	assert.Equal(t, "1", s.metric(`sessions{route="mqtt"}`))
}

// TestAnAcknowledgementComesAfterTheAppend: a client hears of its message when the buffer has it, and not
// before.
func TestAnAcknowledgementComesAfterTheAppend(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprintf("quality %d", qos), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			begun, finish := make(chan bool), make(chan bool)
			s.decide(func(*gateway.Record) error { begun <- true; <-finish; return nil })
			c, _ := s.client(t, "system", nil)
			connect(t, c)
			token := c.Publish("topic", qos, false, "message")
			<-begun
			select {
			case <-token.Done():
				t.Fatal("it was acknowledged before it was kept")
			default:
			}
			close(finish)
			wait(t, token)
		})
	}
}

// TestWhatIsRefusedForNowComesAgain: the connection is closed without an acknowledgement, and the client
// repeats the message, marked as a repetition, when it has come back.
func TestWhatIsRefusedForNowComesAgain(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprintf("quality %d", qos), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			var once sync.Once
			s.decide(func(*gateway.Record) (err error) { once.Do(func() { err = away }); return err })
			c, w := s.client(t, "system", nil)
			connect(t, c)
			wait(t, c.Publish("topic", qos, false, "message"))
			s.awaits(t, `deliveries_total{route="mqtt",outcome="accepted"}`, "1")
			assert.Equal(t, []string{"message", "message"}, s.bodies())
			assert.True(t, w.began(0x38|qos<<1), "with the mark DUP")
			s.awaits(t, `sessions_ended_total{route="mqtt",reason="unavailable"}`, "1")
			wait(t, c.Publish("topic", qos, false, "the next"))
			assert.Equal(t, []string{"message", "message", "the next"}, s.bodies())
		})
	}
}

// TestWhatIsKeptIsAcknowledged: what is no event is a dead letter, and its client does not repeat it for ever.
func TestWhatIsKeptIsAcknowledged(t *testing.T) {
	t.Parallel()
	s := newStore(t, func(o *mqtt.Options) { o.Route.DeadLetterUnknown = true })
	c, _ := s.client(t, "system", nil)
	connect(t, c)
	for _, qos := range []byte{1, 2} {
		for _, message := range []string{"ignored", "malformed", "unknown"} {
			wait(t, c.Publish("topic", qos, false, message))
		}
	}
	assert.Equal(t, "2", s.metric(`deliveries_total{route="mqtt",outcome="ignored"}`))
	assert.Equal(t, "4", s.metric(`deliveries_total{route="mqtt",outcome="deadLettered"}`))
	assert.Equal(t, []string{"malformed", "unknown", "malformed", "unknown"}, s.bodies())
	assert.Equal(t, "", s.metric(`sessions_ended_total{route="mqtt",reason="gone"}`), "the session goes on")
}

// TestWhatTheDefinitionDoesNotWantIsAcknowledged: no other mapping would make an event of it.
func TestWhatTheDefinitionDoesNotWantIsAcknowledged(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *mqtt.Options) { o.Route.RefuseUnknown = true })
	c, _ := s.client(t, "system", nil)
	connect(t, c)
	for _, qos := range []byte{1, 2} {
		for _, message := range []string{"ignored", "rejected", "unknown"} {
			wait(t, c.Publish("topic", qos, false, message))
		}
	}
	for _, outcome := range []string{"ignored", "rejected", "unknown"} {
		assert.Equal(t, "2", s.metric(`deliveries_total{route="mqtt",outcome="`+outcome+`"}`), outcome)
	}
	assert.Empty(t, s.bodies())
}

// TestWhatNobodyKeepsIsNotAcknowledged: it may be an event with another mapping, and only its sender has it.
func TestWhatNobodyKeepsIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"\x32", "\x34"} { // quality 1 and 2
		for _, body := range []string{"malformed", "unknown"} {
			s := newServer(t, nil)
			c := s.dial(t, nil)
			c.send(connecting, publishing(first[0], "topic", "\x00\x01", body), message)
			heard, status := c.end()
			assert.Equal(t, connected, heard, "neither it nor what is behind it is acknowledged")
			assert.Equal(t, websocket.StatusPolicyViolation, status)
			s.awaits(t, `sessions_ended_total{route="mqtt",reason="refused"}`, "1")
		}
	}
	s := newServer(t, nil)
	c := s.dial(t, nil)
	c.send(connecting, publishing(0x30, "topic", "", "malformed"), message)
	c.hear(connected + acknowledged) // quality 0: lost, as its sender accepts
}

// TestNothingIsEverPublished: a subscription is granted, one code per topic, and leads to nothing: not what
// others publish, not what is retained, not the last will of others.
func TestNothingIsEverPublished(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	var mu sync.Mutex
	var heard []string
	listener, _ := s.client(t, "listener", func(o *paho.ClientOptions) {
		o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, m.Topic())
		})
	})
	connect(t, listener)
	subscribed := listener.SubscribeMultiple(map[string]byte{"a/#": 0, "b/+": 1, "$SYS/#": 2}, nil).(*paho.SubscribeToken)
	wait(t, subscribed)
	assert.Equal(t, map[string]byte{"a/#": 0, "b/+": 1, "$SYS/#": 2}, subscribed.Result())

	speaker, _ := s.client(t, "speaker", func(o *paho.ClientOptions) { o.SetWill("a/will", "gone", 1, true) })
	connect(t, speaker)
	wait(t, speaker.Publish("a/b", 1, true, "message"))
	wait(t, speaker.Publish("b/c", 2, true, "another"))
	s.accept("other")
	speaker.Publish("a/c", 1, false, "the last one") // breaks the connection: the will would be due
	s.awaits(t, `sessions_ended_total{route="mqtt",reason="unauthorized"}`, "1")
	s.accept("good")
	wait(t, listener.Unsubscribe("a/#", "b/+"))
	wait(t, listener.Publish("c", 1, false, "is anything there?"))
	mu.Lock()
	defer mu.Unlock()
	assert.Empty(t, heard)
}

func TestAClientThatComesBackReplacesItself(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	lost := make(chan error, 1)
	first, _ := s.client(t, "system", func(o *paho.ClientOptions) {
		o.SetAutoReconnect(false).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	})
	connect(t, first)
	other, _ := s.client(t, "other", nil)
	connect(t, other)
	second, _ := s.client(t, "system", nil)
	connect(t, second)
	<-lost
	wait(t, second.Publish("topic", 1, false, "message"))
	wait(t, other.Publish("topic", 1, false, "another"))
	s.awaits(t, `sessions_ended_total{route="mqtt",reason="taken_over"}`, "1")
	require.Eventually(t, func() bool { return s.handler.Sessions() == 2 }, patience, time.Millisecond)
}

// TestAnEventThatIsNowhereIsNotAcknowledged: nothing is kept, and the target will never take it. Its client
// hears of it in the only way there is.
func TestAnEventThatIsNowhereIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprintf("quality %d", qos), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			refused := &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "no such type"}
			var once sync.Once
			s.decide(func(*gateway.Record) (err error) { once.Do(func() { err = refused }); return err })
			c, _ := s.client(t, "system", nil)
			connect(t, c)
			wait(t, c.Publish("topic", qos, false, "message"))
			s.awaits(t, `deliveries_total{route="mqtt",outcome="accepted"}`, "1")
			s.awaits(t, `sessions_ended_total{route="mqtt",reason="refused"}`, "1")
			assert.Equal(t, []string{"message", "message"}, s.bodies(), "repeated, and taken once the target does")
		})
	}
}
