package chaos_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// heapBound is what the gateway's heap stays below, whatever comes.
const heapBound = 64 << 20

// watchHeap reads the gateway's own metrics until the end of the test, and holds the largest heap against the bound.
func (r *rig) watchHeap(t *testing.T) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	var most float64
	readings := 0
	go func() {
		defer close(stopped)
		for {
			if heap, ok := r.metric("go_memstats_heap_inuse_bytes"); ok {
				most = max(most, heap)
				readings++
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		t.Logf("the largest heap of %d readings is %.1f MiB", readings, most/(1<<20))
		assert.Positive(t, readings)
		assert.Less(t, most, float64(heapBound))
	})
}

// alive offers one more event and wants it taken.
func (r *rig) alive(t *testing.T) {
	t.Helper()
	s := r.senders(1, 0)[0]
	defer s.Close()
	require.Eventually(t, func() bool {
		id := r.ledger.ID()
		answer, why := s.Offer(context.Background(), id)
		r.ledger.Enter(s.Route(), id, answer, why)
		return answer == ledger.Acknowledged
	}, patience, 50*time.Millisecond, "it does not recover")
}

// flood sends requests at the same time and counts their statuses; 0 is for those that were cut off.
func flood(t *testing.T, n int, make func(i int) *http.Request) map[int]int {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	statuses := map[int]int{}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			status := 0
			if answer, err := client.Do(make(i)); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				status = answer.StatusCode
				if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
					assert.NotEmpty(t, answer.Header.Get("Retry-After"))
				}
			}
			mu.Lock()
			statuses[status]++
			mu.Unlock()
		})
	}
	group.Wait()
	return statuses
}

func (r *rig) post(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+r.public+"/events", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	return request
}

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// TestTenTimesTheCapacity: what is more than the gateway takes at once is told so at once, with a time to come
// again, and what it does take is on its way.
func TestTenTimesTheCapacity(t *testing.T) {
	t.Parallel()
	const capacity = 32
	for _, buffer := range []string{"none", "disk"} {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, buffer, options{args: []string{"--max-in-flight", fmt.Sprint(capacity), "--buffer-max-bytes", "8MiB"}})
			r.watchHeap(t)
			r.target.Behave(ledger.Behaviour{Hang: true})
			padding := strings.Repeat("x", 200<<10)
			var answered atomic.Int64
			statuses := flood(t, 10*capacity, func(i int) *http.Request {
				if answered.Add(1) == 10*capacity {
					time.AfterFunc(500*time.Millisecond, func() { r.target.Behave(ledger.Good()) })
				}
				body := []byte(fmt.Sprintf(`{"id":"large-%d","padding":%q}`, i, padding))
				request := r.post(t, bytes.NewReader(body))
				request.Header.Set("X-Signature", signature(body))
				return request
			})
			t.Log(statuses)
			assert.Positive(t, statuses[http.StatusServiceUnavailable], "more than it takes at once")
			assert.Positive(t, statuses[http.StatusAccepted])
			assert.Less(t, statuses[0], capacity, "all but those are answered that had not sent everything when they were")
			r.alive(t)
		})
	}
}

// TestIdleSocketsKeepNobodyOut opens sockets that say nothing, by the thousand.
func TestIdleSocketsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	n := descriptors(t, budget(t, "CHAOS_SOCKETS", 2500))
	r := newRig(t, "disk", options{})
	r.watchHeap(t)
	var group sync.WaitGroup
	conns := make([]net.Conn, n)
	for worker := range 16 {
		group.Go(func() {
			for i := worker; i < n; i += 16 {
				if conn, err := net.DialTimeout("tcp", r.public, patience); err == nil {
					conns[i] = conn
					_, _ = io.WriteString(conn, "POST /events HTTP/1.1\r\nHost: x\r\n")
				}
			}
		})
	}
	group.Wait()
	r.alive(t)
	open, ok := r.metric("kyma_connectors_gateway_connections")
	assert.True(t, ok)
	assert.LessOrEqual(t, open, 2100.0, "--max-connections")
	r.stopConns(conns)
	r.alive(t)
	r.balanced(t)
}

func (r *rig) stopConns(conns []net.Conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
}

// descriptors is n, or as many sockets as this process may open.
func descriptors(t *testing.T, n int) int {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	if may := int(min(limit.Cur, 1<<20)) - 500; may < n {
		t.Logf("NOTE: only %d of %d sockets: this process may open no more", may, n)
		return may
	}
	return n
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestBodiesWithoutAnEnd are cut off at the limit, many at the same time, as they are and as what small
// compressed ones would become.
func TestBodiesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	w, err := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	require.NoError(t, err)
	_, err = io.CopyN(w, endless{}, 64<<20)
	require.NoError(t, err)
	require.NoError(t, w.Close())

	r := newRig(t, "none", options{})
	r.watchHeap(t)
	n := budget(t, "CHAOS_BODIES", 100)
	// A client that still sends may lose the answer with the connection.
	statuses := flood(t, n, func(int) *http.Request { return r.post(t, io.NopCloser(endless{})) })
	t.Log("endless:", statuses)
	assert.Equal(t, n, statuses[http.StatusRequestEntityTooLarge]+statuses[http.StatusServiceUnavailable]+statuses[0])
	statuses = flood(t, n, func(int) *http.Request {
		request := r.post(t, bytes.NewReader(bomb.Bytes()))
		request.Header.Set("Content-Encoding", "gzip")
		return request
	})
	t.Log("bombs:", statuses)
	assert.Equal(t, n, statuses[http.StatusRequestEntityTooLarge]+statuses[http.StatusServiceUnavailable]+statuses[0])
	assert.Positive(t, statuses[http.StatusRequestEntityTooLarge])
	r.alive(t)
}

// TestSlowSendersAreCutOff: a request that does not come to its end ends by the gateway's time-outs, in its
// headers, in its body, and after a whole one.
func TestSlowSendersAreCutOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, "none", options{})
	for name, beginning := range map[string]string{
		"headers": "POST /events HTTP/1.1\r\nHost: x\r\nX-A: ",
		"body":    "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", r.public)
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, beginning)
			require.NoError(t, err)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
			}()
			for drip := time.NewTicker(200 * time.Millisecond); ; {
				select {
				case <-gone:
					drip.Stop()
					return
				case <-drip.C:
					_, _ = io.WriteString(conn, "x")
				case <-time.After(patience):
					t.Fatal("the connection is still open")
				}
			}
		})
	}
}

// TestLargeHeadersAreRefused before they are read.
func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, "none", options{})
	r.watchHeap(t)
	large := strings.Repeat("x", 1<<20)
	statuses := flood(t, 20, func(int) *http.Request {
		request := r.post(t, strings.NewReader("{}"))
		request.Header.Set("X-Large", large)
		return request
	})
	assert.Equal(t, 20, statuses[http.StatusRequestHeaderFieldsTooLarge]+statuses[0], "%v", statuses)
	r.alive(t)
}

// TestGuessersWait: whoever fails to prove who it is, again and again, is answered 429 and a time to wait, and is no
// burden.
func TestGuessersWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, "none", options{args: []string{"--forwarded-hops", "1"}})
	r.watchHeap(t)
	statuses := flood(t, 200, func(int) *http.Request {
		request := r.post(t, strings.NewReader("{}"))
		request.Header.Set("X-Signature", signature([]byte("another body")))
		return request
	})
	assert.Positive(t, statuses[http.StatusTooManyRequests], "%v", statuses)
	assert.LessOrEqual(t, statuses[http.StatusUnauthorized], 64, "%v", statuses)
	// From ever new addresses, nobody can be told from anybody, but nothing grows.
	for range 10 {
		flood(t, 200, func(i int) *http.Request {
			request := r.post(t, strings.NewReader("{}"))
			request.Header.Set("X-Signature", signature([]byte("another body")))
			request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", i/256, i%256))
			return request
		})
	}
}
