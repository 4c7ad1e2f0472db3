package buffer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// appendAged appends an event that arrived that long ago.
func appendAged(t *testing.T, d *Disk, id, key string, age time.Duration) {
	t.Helper()
	r := testRecord(id)
	r.Delivery.Received = time.Now().Add(-age)
	r.Entries[0].Key = key
	_, err := d.Append(context.Background(), r)
	require.NoError(t, err)
}

func nextTest(t *testing.T, d *Disk) *gateway.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	item, err := d.Next(ctx)
	require.NoError(t, err)
	return item
}

// TestEventsOfNowOvertakeABacklog: of a long backlog only a few go before an event of now, and nothing of it
// is forgotten.
func TestEventsOfNowOvertakeABacklog(t *testing.T) {
	t.Parallel()
	const n = 500
	dir := t.TempDir()
	d := openTest(t, DiskOptions{Dir: dir})
	for i := range n {
		appendAged(t, d, fmt.Sprint("old-", i), "", time.Hour)
	}
	require.NoError(t, d.Close())
	d = openTest(t, DiskOptions{Dir: dir, Pace: gateway.NewPace(10, 4)})
	before := 0
	for i := range 10 {
		appendAged(t, d, fmt.Sprint("new-", i), "", 0)
		for {
			item := nextTest(t, d)
			d.Settle(item, gateway.Settlement{})
			if strings.HasPrefix(item.Entry().Event.ID, "new") {
				break
			}
			before++
		}
	}
	assert.Less(t, before, n/2, "they wait for a few, not for all")
	require.NoError(t, d.Close())
	d = openTest(t, DiskOptions{Dir: dir})
	ids := take(t, d, n-before, nil)
	assert.Len(t, ids, n-before)
	assert.NotContains(t, ids, "new-0")
}

// TestLanesLoseAndReorderNothing mixes old and new events, with keys and without, retries and all: each is
// handed out once, and those with a key in their order.
func TestLanesLoseAndReorderNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			d := openTest(t, DiskOptions{Dir: t.TempDir(), Pace: gateway.NewPace(0, 16)})
			const n = 800
			expected := map[string][]string{}
			add := func(i int) {
				id, key, age := fmt.Sprint("event-", i), "", time.Duration(0)
				if random.IntN(3) > 0 {
					age = time.Hour
				}
				if seed%2 == 0 && random.IntN(4) == 0 {
					key = fmt.Sprint("key-", random.IntN(5))
					expected[key] = append(expected[key], id)
				}
				appendAged(t, d, id, key, age)
			}
			for i := range n / 2 {
				add(i)
			}
			seen, order := map[string]int{}, map[string][]string{}
			var out []*gateway.Item
			next := n / 2
			for len(seen) < n {
				if next < n && random.IntN(3) > 0 {
					add(next)
					next++
				}
				if len(out) < 12 && len(seen)+len(out) < next {
					ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
					item, err := d.Next(ctx)
					cancel()
					if err == nil {
						out = append(out, item)
					} else {
						require.NotEmpty(t, out, "nothing is out, nothing comes, and %d of %d are missing", next-len(seen), next)
					}
				}
				if len(out) == 0 || len(out) < 12 && random.IntN(2) == 0 {
					continue
				}
				i := random.IntN(len(out))
				item := out[i]
				out = append(out[:i], out[i+1:]...)
				entry := *item.Entry()
				if random.IntN(20) == 0 {
					d.Settle(item, gateway.Settlement{Retry: time.Millisecond})
					continue
				}
				seen[entry.Event.ID]++
				if entry.Key != "" {
					order[entry.Key] = append(order[entry.Key], entry.Event.ID)
				}
				d.Settle(item, gateway.Settlement{})
			}
			for id, times := range seen {
				assert.Equal(t, 1, times, id)
			}
			assert.Equal(t, expected, order)
			require.Eventually(t, func() bool { return d.Status().Waiting == 0 }, testPatience, time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			_, err := d.Next(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded, "nothing is handed out twice")
		})
	}
}

// TestWhatCannotBeReadIsNotPassedOver: a backlog that the store does not give away at the moment stays where it
// is, until it does.
func TestWhatCannotBeReadIsNotPassedOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := OpenDisk(DiskOptions{Dir: dir})
	require.NoError(t, err)
	for i := range 5 {
		appendAged(t, d, fmt.Sprint(i), "", time.Hour)
	}
	require.NoError(t, d.Close())
	d, err = OpenDisk(DiskOptions{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, d.Close()) // the file is not to be read any more

	q := newQueue(d)
	q.front = d.lastSeq + 1
	q.follow()
	assert.Equal(t, uint64(1), q.cursor)
	assert.True(t, q.unread)
	assert.Positive(t, q.front)
	q.front = 0
	q.read()
	assert.Equal(t, uint64(1), q.cursor)
}
