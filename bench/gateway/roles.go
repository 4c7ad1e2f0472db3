package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
)

// A child process learns from its environment what it is, where it listens, and its directory or target.
const (
	roleVariable    = "BENCH_GATEWAY_ROLE"
	addressVariable = "BENCH_GATEWAY_ADDRESS"
	dirVariable     = "BENCH_GATEWAY_DIR"
	targetVariable  = "BENCH_GATEWAY_TARGET"
)

const (
	roleTarget = "target"
	roleFill   = "fill"
)

// What the gateway tells Go's collector. Those that it is compared with are told the same.
const (
	collectAt  = 400
	softMemory = 60 << 20
)

// play is the life of a child process.
func play(role string) error {
	if role != roleTarget && role != roleFill {
		debug.SetMemoryLimit(softMemory)
		debug.SetGCPercent(collectAt)
	}
	var handler http.Handler
	switch role {
	case floorA:
		handler = verified(func([]byte) error { return nil })
	case floorB:
		log, err := openAppender(os.Getenv(dirVariable))
		if err != nil {
			return err
		}
		handler = verified(log.append)
	case forwarder:
		handler = verified(newForwarder(os.Getenv(targetVariable)))
	case roleTarget:
		handler = newTarget()
	case roleFill:
		n, err := fill(os.Getenv(dirVariable))
		fmt.Println(n)
		return err
	default:
		return fmt.Errorf("no such role")
	}
	server := &http.Server{Addr: os.Getenv(addressVariable), Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// verified reads a delivery, checks its signature and answers when it is taken.
func verified(take func(body []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return // ready
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		given, err := hex.DecodeString(r.Header.Get(signatureHeader))
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		if err != nil || !hmac.Equal(mac.Sum(nil), given) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err := take(body); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"outcome":"accepted"}`)
	})
}

// newForwarder publishes each body and waits for the answer.
func newForwarder(target string) func([]byte) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024}, Timeout: 10 * time.Second}
	return func(body []byte) error {
		answer, err := client.Post(target, "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if answer.StatusCode >= 300 {
			err = errors.New(answer.Status)
		}
		return errors.Join(err, answer.Body.Close())
	}
}

// appender writes what waits, syncs once, and lets everybody go.
type appender struct {
	file  *os.File
	queue chan entry
}

type entry struct {
	body []byte
	done chan error
}

func openAppender(dir string) (*appender, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.Create(dir + "/log")
	if err != nil {
		return nil, err
	}
	a := &appender{file: file, queue: make(chan entry, 1024)}
	go a.run()
	return a, nil
}

func (a *appender) append(body []byte) error {
	e := entry{body: body, done: make(chan error, 1)}
	a.queue <- e
	return <-e.done
}

func (a *appender) run() {
	var text []byte
	var waiting []entry
	for first := range a.queue {
		text, waiting = append(text[:0], first.body...), append(waiting[:0], first)
		for more := true; more; {
			select {
			case e := <-a.queue:
				text, waiting = append(text, e.body...), append(waiting, e)
			default:
				more = false
			}
		}
		_, err := a.file.Write(text)
		if err == nil {
			err = a.file.Sync()
		}
		for _, e := range waiting {
			e.done <- err
		}
	}
}

// newTarget takes everything at once and says how much it was to a GET.
func newTarget() http.Handler {
	var taken atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, taken.Load())
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		taken.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
}

// fill makes a store with a backlog and says how many events it has.
func fill(dir string) (int64, error) {
	store, err := buffer.OpenDisk(buffer.DiskOptions{Dir: dir, Capacity: 2 * backlogBytes})
	if err != nil {
		return 0, err
	}
	var count atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, 512)
	for range cap(failed) {
		group.Go(func() {
			for store.Status().Bytes < backlogBytes {
				n := count.Add(1)
				message := newMessage()
				message.number(n)
				body := bytes.Clone(message.body)
				r := &gateway.Record{
					Delivery: gateway.Delivery{Route: "bench", Received: time.Now(), Body: body},
					Entries: []gateway.Entry{{Event: event.Event{
						ID: string(message.id), Source: "bench", Type: "bench.created", Version: "v1", DataContentType: "application/json", Data: body,
					}}},
				}
				if _, err := store.Append(context.Background(), r); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return store.Status().Waiting, errors.Join(<-failed, store.Close())
}
