package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

const (
	key             = "bench-5ecret-key"
	signatureHeader = "X-Signature"
	path            = "/bench"
	bodySize        = 1024
)

// message is a request that is written into the same memory again and again.
type message struct {
	request, body, id, signature []byte // the latter three are parts of the first
	mac                          hash.Hash
}

func newMessage() *message {
	head := "POST " + path + " HTTP/1.1\r\nHost: bench.example.com\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(bodySize) +
		"\r\n" + signatureHeader + ": "
	signature := strings.Repeat("0", 2*sha256.Size)
	start := `{"id":"`
	id := strings.Repeat("0", 16)
	middle := `","type":"order.created","time":"2026-01-02T03:04:05Z","customer":{"name":"Ada","city":"London"},"text":"`
	end := `"}`
	body := start + id + middle + strings.Repeat("x", bodySize-len(start)-len(id)-len(middle)-len(end)) + end
	m := &message{request: []byte(head + signature + "\r\n\r\n" + body), mac: hmac.New(sha256.New, []byte(key))}
	m.signature = m.request[len(head):][:len(signature)]
	m.body = m.request[len(m.request)-bodySize:]
	m.id = m.body[len(start):][:len(id)]
	return m
}

// number makes it the message of that number.
func (m *message) number(n int64) {
	copy(m.id, fmt.Sprintf("%016x", n))
}

func (m *message) sign() {
	var sum [sha256.Size]byte
	m.mac.Reset()
	m.mac.Write(m.body)
	hex.Encode(m.signature, m.mac.Sum(sum[:0]))
}

// load sends deliveries over that many connections for that long, and says how long each one took. The numbers of
// the messages go on at from.
func load(address string, connections int, window time.Duration, from *atomic.Int64) ([]time.Duration, error) {
	times := make([][]time.Duration, connections)
	errs := make([]error, connections)
	end := time.Now().Add(window)
	var group sync.WaitGroup
	for i := range connections {
		group.Go(func() { times[i], errs[i] = send(address, end, from) })
	}
	group.Wait()
	all := slices.Concat(times...)
	slices.Sort(all)
	return all, errors.Join(errs...)
}

func send(address string, end time.Time, from *atomic.Int64) (times []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(end.Add(20 * time.Second)); err != nil {
		return nil, err
	}
	m, answers := newMessage(), bufio.NewReaderSize(conn, 4<<10)
	for begin := time.Now(); begin.Before(end); begin = time.Now() {
		m.number(from.Add(1))
		m.sign()
		if _, err := conn.Write(m.request); err != nil {
			return nil, err
		}
		if err := readAnswer(answers); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}

// readAnswer reads an answer, which has to be a 202 with a length.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if !bytes.HasPrefix(line, []byte("HTTP/1.1 202")) {
				return fmt.Errorf("answer: %s", line)
			}
		case len(line) == 0:
			if length < 0 {
				return errors.New("answer without a length")
			}
			_, err := r.Discard(length)
			return err
		default:
			if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
				if length, err = strconv.Atoi(string(value)); err != nil {
					return err
				}
			}
		}
	}
}

// encode measures how long it takes to encode an event.
func encode() time.Duration {
	m := newMessage()
	e := event.Event{
		ID: "00000000000000aa", Source: "bench", Type: "order.created", Version: "v1", DataContentType: "application/json",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: m.body,
	}
	var dst []byte
	best := time.Minute
	for range 3 { // the least is what other work on the machine disturbed least
		measured := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				dst = e.AppendStructured(dst[:0])
			}
		})
		best = min(best, time.Duration(measured.NsPerOp()))
	}
	_, _ = io.Discard.Write(dst)
	return best
}
