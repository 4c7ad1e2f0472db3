package relay

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

func TestLimitsOfADefinition(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		to   connector.RelayTo
		want limits
	}{
		"no batch":         {connector.RelayTo{}, limits{1, 1 << 20, time.Second}},
		"defaults":         {connector.RelayTo{Batch: &connector.Batch{}}, limits{100, 1 << 20, time.Second}},
		"its own":          {connector.RelayTo{Batch: &connector.Batch{Count: 7, Bytes: 1000, Age: connector.Duration(2 * time.Second)}}, limits{7, 1000, 2 * time.Second}},
		"more than we can": {connector.RelayTo{Batch: &connector.Batch{Count: 1000}}, limits{MaxTogether, 1 << 20, time.Second}},
		"one at a time":    {connector.RelayTo{Format: formatSingle, Batch: &connector.Batch{Count: 5}}, limits{1, 1 << 20, time.Second}},
	} {
		assert.Equal(t, test.want, limitsOf(test.to), name)
	}
}

func TestBatchesKeepTheirBounds(t *testing.T) {
	t.Parallel()
	l := limits{count: 3, bytes: 20}
	assert.True(t, l.takes(&batch{bytes: 12, items: make([]*item, 2)}, 7), "20 bytes")
	assert.False(t, l.takes(&batch{bytes: 12, items: make([]*item, 2)}, 8), "21 bytes")
	assert.False(t, l.takes(&batch{bytes: 2, items: make([]*item, 3)}, 1), "four documents")
	assert.True(t, l.fits(17))
	assert.False(t, l.fits(18))
}

// recorder is where batches go.
type recorder struct {
	mu      sync.Mutex
	batches []string
}

func (r *recorder) send(items []*item) {
	documents := make([]string, len(items))
	for i := range items {
		documents[i] = string(items[i].document)
	}
	r.mu.Lock()
	r.batches = append(r.batches, strings.Join(documents, " "))
	r.mu.Unlock()
	settle(items, nil)
}

func (r *recorder) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.batches...)
}

// put adds documents one after the other, without waiting for their answers.
func put(ctx context.Context, b *batcher, results *sync.WaitGroup, documents ...string) {
	for _, d := range documents {
		results.Go(func() { b.do(ctx, []byte(d)) })
		synctest.Wait()
	}
}

func TestABatchGoesWhenItIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to recorder
		var results sync.WaitGroup
		b := newBatcher(limits{count: 3, bytes: 14, age: time.Second}, 1, to.send)
		put(t.Context(), b, &results, "a", "b")
		assert.Empty(t, to.sent(), "it waits")
		put(t.Context(), b, &results, "c")
		assert.Equal(t, []string{"a b c"}, to.sent(), "by count")

		put(t.Context(), b, &results, "dddd", "eeee")
		assert.Len(t, to.sent(), 1)
		put(t.Context(), b, &results, "ffff")
		assert.Equal(t, []string{"a b c", "dddd eeee"}, to.sent(), "by bytes: the next did not fit")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"a b c", "dddd eeee", "ffff"}, to.sent(), "by age")
		results.Wait()
	})
}

func TestTheAgeOfABatchIsThatOfItsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to recorder
		var results sync.WaitGroup
		b := newBatcher(limits{count: 9, bytes: 100, age: time.Second}, 1, to.send)
		put(t.Context(), b, &results, "a")
		time.Sleep(900 * time.Millisecond)
		put(t.Context(), b, &results, "b")
		time.Sleep(99 * time.Millisecond)
		synctest.Wait()
		assert.Empty(t, to.sent())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"a b"}, to.sent())
		results.Wait()
	})
}

func TestNobodyWaitsForOthersAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to recorder
		var results sync.WaitGroup
		b := newBatcher(limits{count: 9, bytes: 100, age: time.Hour}, 1, to.send)
		put(t.Context(), b, &results, "a", "b")
		b.drain()
		synctest.Wait()
		assert.Equal(t, []string{"a b"}, to.sent())
		put(t.Context(), b, &results, "c")
		assert.Equal(t, []string{"a b", "c"}, to.sent())
		results.Wait()
	})
}

func TestADocumentIsTakenBackInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to recorder
		var results sync.WaitGroup
		b := newBatcher(limits{count: 9, bytes: 100, age: time.Second}, 1, to.send)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		put(t.Context(), b, &results, "a")
		err := b.do(ctx, []byte("b"))
		require.NotNil(t, err)
		assert.Equal(t, gateway.ReasonTimeout, err.Reason)
		assert.False(t, err.Permanent)
		results.Wait()
		assert.Equal(t, []string{"a"}, to.sent())
	})
}

func TestCallsAtTheSameTimeAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		running, most := 0, 0
		var mu sync.Mutex
		b := newBatcher(limits{count: 1, bytes: 100, age: time.Second}, 3, func(items []*item) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			settle(items, nil)
		})
		var results sync.WaitGroup
		for range 20 {
			results.Go(func() { assert.Nil(t, b.do(t.Context(), []byte("x"))) })
		}
		results.Wait()
		assert.Equal(t, 3, most)
	})
}

// TestBatchesLearnWhatTheSystemTakes: a 413 makes the next batches smaller, and success larger again.
func TestBatchesLearnWhatTheSystemTakes(t *testing.T) {
	t.Parallel()
	b := newBatcher(limits{count: 1000, bytes: 1000, age: time.Hour}, 1, func([]*item) {})
	b.learn(900, true)
	assert.Equal(t, 452, b.Learned())
	b.learn(2000, true)
	assert.Equal(t, 452, b.Learned(), "one that was collected before tells nothing new")
	b.mu.Lock()
	assert.True(t, b.now().takes(&batch{bytes: 400, items: make([]*item, 1)}, 51))
	assert.False(t, b.now().takes(&batch{bytes: 400, items: make([]*item, 1)}, 52))
	b.mu.Unlock()
	assert.True(t, b.limits.fits(900), "what is alone may still be as large as the definition says")

	for range growAfter - 1 {
		b.learn(440, false)
		b.learn(20, false)
	}
	assert.Equal(t, 452, b.Learned(), "small ones prove nothing")
	b.learn(440, false)
	assert.Equal(t, 497, b.Learned())
	for range 100 * growAfter {
		b.learn(b.Learned(), false)
	}
	assert.Equal(t, 1000, b.Learned(), "and never more than the definition says")
}
