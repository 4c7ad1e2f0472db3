package ledger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// patience is how long a sender waits for an answer.
const patience = 15 * time.Second

// HTTP offers events by POST, signed with HMAC-SHA-256 in X-Signature.
type HTTP struct {
	// URL is the delivery's address, Key the key that it is signed with.
	URL, Key string

	client http.Client
}

// Offer implements Sender.
func (s *HTTP) Offer(ctx context.Context, id string) (Answer, string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if s.client.Transport == nil {
		s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 1}
	}
	body := Payload(id)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return Unreached, err.Error()
	}
	request.GetBody = nil // no repetition behind the ledger's back
	mac := hmac.New(sha256.New, []byte(s.Key))
	mac.Write(body)
	request.Header.Set("X-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	request.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		return unanswered(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return Acknowledged, ""
	}
	return Refused, answer.Status
}

// unanswered tells nobody there from no answer.
func unanswered(err error) (Answer, string) {
	var failed *net.OpError
	if errors.As(err, &failed) && failed.Op == "dial" {
		return Unreached, err.Error()
	}
	return Unanswered, err.Error()
}

// Route implements Sender.
func (s *HTTP) Route() string { return s.URL }

// Close implements Sender.
func (s *HTTP) Close() { s.client.CloseIdleConnections() }

// MQTT offers events by MQTT 3.1.1 over WebSocket, with a bearer token of the client credentials grant.
type MQTT struct {
	// Address is host:port of the gateway; Host and TokenHost are the names that it is asked for by.
	Address, Host, TokenHost string
	ID, Secret               string
	Topic                    string
	// QoS is 1 or 2: with 0 nobody is told anything.
	QoS byte

	client paho.Client
}

// Offer implements Sender. A gateway that does not take an event closes the connection, so that there are no
// refusals, only offers without an answer.
func (s *MQTT) Offer(_ context.Context, id string) (Answer, string) {
	if s.client == nil {
		if err := s.connect(); err != nil {
			s.Close()
			return Unreached, err.Error()
		}
	}
	done := s.client.Publish(s.Topic, s.QoS, false, Payload(id))
	if !done.WaitTimeout(patience) {
		s.Close()
		return Unanswered, "no acknowledgement in time"
	}
	if err := done.Error(); err != nil {
		s.Close()
		return Unanswered, err.Error()
	}
	return Acknowledged, ""
}

func (s *MQTT) connect() error {
	token, err := s.token()
	if err != nil {
		return err
	}
	o := paho.NewClientOptions().AddBroker("ws://" + s.Address + "/mqtt").SetClientID("ledger-" + strings.ReplaceAll(fmt.Sprintf("%p", s), "0x", "")).
		SetHTTPHeaders(http.Header{"Host": {s.Host}, "Authorization": {"Bearer " + token}}).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(patience)
	s.client = paho.NewClient(o)
	done := s.client.Connect()
	if !done.WaitTimeout(patience) {
		return errors.New("no CONNACK in time")
	}
	return done.Error()
}

// tokens are asked for by one client without kept connections: a gateway that is killed leaves none.
var tokens = sync.OnceValue(func() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
})

func (s *MQTT) token() (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.ID}, "client_secret": {s.Secret}}
	request, err := http.NewRequest(http.MethodPost, "http://"+s.Address+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Host = s.TokenHost
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := tokens().Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var grant struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&grant); err != nil {
		return "", err
	}
	if grant.Token == "" {
		return "", fmt.Errorf("no token: %s", answer.Status)
	}
	return grant.Token, nil
}

// Route implements Sender.
func (s *MQTT) Route() string { return "mqtt " + s.Host }

// Close implements Sender.
func (s *MQTT) Close() {
	if s.client != nil {
		s.client.Disconnect(0)
		s.client = nil
	}
}
