package mqtt

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// endless says the same for ever.
type endless struct {
	memory
	text string
	at   int
	left int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.text[e.at:])
	if e.at += n; e.at == len(e.text) {
		e.at = 0
		e.left--
	}
	return n, nil
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkMessages takes messages of 1 KiB through a session and a pipeline whose buffer keeps nothing.
func BenchmarkMessages(b *testing.B) {
	h := newHandler(b, Options{}, nil)
	payload := strings.Repeat("x", 1<<10)
	body := "\x00\x05topic\x00\x07" + payload
	message := "\x32" + string([]byte{byte(len(body)) | 0x80, byte(len(body) >> 7)}) + body
	s := newSession(h, gateway.Delivery{})
	h.enter(s)
	defer h.leave(s)
	c := &endless{text: message, left: b.N}
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	b.ResetTimer()
	s.run(context.Background(), &preceded{endless: c, first: connecting}, time.Time{})
}

// preceded says something before.
type preceded struct {
	*endless
	first string
}

func (p *preceded) Read(out []byte) (int, error) {
	if p.first == "" {
		return p.endless.Read(out)
	}
	n := copy(out, p.first)
	p.first = p.first[n:]
	return n, nil
}
