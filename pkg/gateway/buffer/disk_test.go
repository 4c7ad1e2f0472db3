package buffer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

const testPatience = 20 * time.Second

func openTest(t *testing.T, o DiskOptions) *Disk {
	t.Helper()
	d, err := OpenDisk(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func testRecord(ids ...string) *gateway.Record {
	r := &gateway.Record{Delivery: gateway.Delivery{Route: "webhook", Received: time.Now(), Body: []byte("raw body of " + fmt.Sprint(ids))}}
	for _, id := range ids {
		r.Entries = append(r.Entries, gateway.Entry{Event: event.Event{ID: id, Source: "c4c", Type: "A.B", Version: "v1", Data: []byte(`"` + id + `"`)}})
	}
	return r
}

func appendTest(t *testing.T, d *Disk, ids ...string) []bool {
	t.Helper()
	duplicates, err := d.Append(context.Background(), testRecord(ids...))
	require.NoError(t, err)
	return duplicates
}

// take hands out n events and settles those for which keep is false.
func take(t *testing.T, d *Disk, n int, keep func(id string) bool) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	var ids []string
	for range n {
		item, err := d.Next(ctx)
		require.NoError(t, err)
		ids = append(ids, item.Entry().Event.ID)
		if keep == nil || !keep(item.Entry().Event.ID) {
			d.Settle(item, gateway.Settlement{})
		}
	}
	return ids
}

func TestDiskSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openTest(t, DiskOptions{Dir: dir})
	appendTest(t, first, "published")
	appendTest(t, first, "waiting")
	appendTest(t, first, "split-1", "split-2", "split-3")
	take(t, first, 5, func(id string) bool { return id == "waiting" || id == "split-2" })
	require.NoError(t, first.Close())

	second := openTest(t, DiskOptions{Dir: dir})
	assert.Equal(t, []string{"waiting", "split-2"}, take(t, second, 2, nil), "what was not settled comes again, and nothing else")
	for _, id := range []string{"published", "waiting", "split-1"} {
		assert.Equal(t, []bool{true}, appendTest(t, second, id), "%s is known", id)
	}
	require.Eventually(t, func() bool { return second.Status().Waiting == 0 }, testPatience, time.Millisecond)
	assert.Zero(t, second.Status().Bytes)
}

func TestDiskForgetsIDsBeyondItsWindow(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := &now
	d := openTest(t, DiskOptions{Dir: t.TempDir(), Window: Window{Age: time.Hour, IDs: 3}, Now: func() time.Time { return *clock }})
	for _, id := range []string{"a", "b", "c", "d"} {
		appendTest(t, d, id)
	}
	assert.Equal(t, []bool{true}, appendTest(t, d, "b"))
	assert.Equal(t, []bool{false}, appendTest(t, d, "a"), "the fourth id pushed it out")

	d = openTest(t, DiskOptions{Dir: t.TempDir(), Window: Window{Age: time.Hour, IDs: 10}, Now: func() time.Time { return *clock }})
	appendTest(t, d, "old")
	later := now.Add(2 * time.Hour)
	clock = &later
	appendTest(t, d, "new")
	assert.Equal(t, []bool{false}, appendTest(t, d, "old"))
}

func TestDiskRefusesWhenFullAndRecovers(t *testing.T) {
	t.Parallel()
	d := openTest(t, DiskOptions{Dir: t.TempDir(), Capacity: 4 << 10})
	var stored []string
	for n := 0; ; n++ {
		id := fmt.Sprint("event-", n)
		_, err := d.Append(context.Background(), testRecord(id))
		if err != nil {
			var away *gateway.UnavailableError
			require.ErrorAs(t, err, &away)
			assert.Equal(t, gateway.ReasonFull, away.Reason)
			assert.Positive(t, away.RetryAfter)
			break
		}
		stored = append(stored, id)
		require.Less(t, n, 1000)
	}
	assert.Equal(t, stored, take(t, d, len(stored), nil))
	require.Eventually(t, func() bool {
		_, err := d.Append(context.Background(), testRecord("later"))
		return err == nil
	}, testPatience, time.Millisecond)
}

func TestDiskSurvivesAFullVolume(t *testing.T) {
	t.Parallel()
	d := openTest(t, DiskOptions{Dir: t.TempDir(), maxFile: 256 << 10})
	var stored []string
	body := bytes.Repeat([]byte("x"), 4<<10)
	for n := 0; ; n++ {
		r := testRecord(fmt.Sprint("event-", n))
		r.Delivery.Body = body
		_, err := d.Append(context.Background(), r)
		if err != nil {
			var away *gateway.UnavailableError
			require.ErrorAs(t, err, &away)
			assert.Equal(t, gateway.ReasonFull, away.Reason)
			assert.Error(t, d.Status().Problem)
			break
		}
		stored = append(stored, fmt.Sprint("event-", n))
		require.Less(t, n, 1000)
	}
	require.NotEmpty(t, stored)
	assert.Equal(t, stored, take(t, d, len(stored), nil), "everything that was acknowledged is still there")
	require.Eventually(t, func() bool {
		_, err := d.Append(context.Background(), testRecord("later"))
		return err == nil
	}, testPatience, 10*time.Millisecond)
	assert.NoError(t, d.Status().Problem)
}

func TestDiskErasesOldDeadLetters(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	bury := func(d *Disk, id string) {
		r := testRecord(id)
		r.Entries[0].Failure = &gateway.Failure{Reason: gateway.ReasonInvalid, At: now}
		_, err := d.Append(context.Background(), r)
		require.NoError(t, err)
	}
	first := openTest(t, DiskOptions{Dir: dir, Now: func() time.Time { return now }})
	bury(first, "old")
	require.NoError(t, first.Close())

	now = now.Add(40 * 24 * time.Hour)
	second := openTest(t, DiskOptions{Dir: dir, Now: func() time.Time { return now }})
	bury(second, "new")
	letters, err := second.List(context.Background(), "", 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	assert.Equal(t, "new", letters[0].Entry.Event.ID)
	assert.EqualValues(t, 1, second.Status().DeadLetters)
}

func TestDiskIsForOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openTest(t, DiskOptions{Dir: dir})
	_, err := OpenDisk(DiskOptions{Dir: dir})
	assert.ErrorIs(t, err, ErrStoreInUse)
	_, err = Salvage(dir, t.TempDir())
	assert.ErrorIs(t, err, ErrStoreInUse)
}

// damage opens a store, lets change work on its bytes and writes them back.
func damage(t *testing.T, dir string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, StoreName)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, change(data), 0o600))
}

// filled is the directory of a closed store with n events that wait, and one dead letter.
func filled(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	d := openTest(t, DiskOptions{Dir: dir})
	for i := range n {
		appendTest(t, d, fmt.Sprint("event-", i))
	}
	r := testRecord("dead")
	r.Entries[0].Failure = &gateway.Failure{Reason: gateway.ReasonInvalid, At: time.Now()}
	_, err := d.Append(context.Background(), r)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return dir
}

func TestAFlippedBitCostsTheRecordThatItHits(t *testing.T) {
	t.Parallel()
	dir := filled(t, 10)
	damage(t, dir, func(data []byte) []byte {
		return bytes.ReplaceAll(data, []byte("raw body of [event-4]"), []byte("raw body of [event-5]")) // old copies too
	})
	d := openTest(t, DiskOptions{Dir: dir})
	ids := take(t, d, 9, nil)
	assert.NotContains(t, ids, "event-4")
	assert.Len(t, ids, 9)
	require.Eventually(t, func() bool { return d.Status().Waiting == 0 }, testPatience, time.Millisecond)
}

func TestADamagedStructureIsRefusedAndSalvaged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func([]byte) []byte
		all    bool
	}{
		{"both head pages", func(data []byte) []byte { copy(data, make([]byte, 2*os.Getpagesize())); return data }, true},
		{"cut off", func(data []byte) []byte { return data[:len(bytes.TrimRight(data, "\x00"))*3/4] }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const n = 400
			dir, to := filled(t, n), t.TempDir()
			damage(t, dir, tt.change)
			_, err := OpenDisk(DiskOptions{Dir: dir})
			require.Error(t, err)
			assert.ErrorContains(t, err, "is damaged")
			assert.ErrorContains(t, err, "event-gateway buffer salvage --buffer-dir "+dir)

			s, err := Salvage(dir, to)
			require.NoError(t, err)
			if tt.all {
				assert.Equal(t, Salvaged{Records: n, DeadLetters: 1, IDBlocks: s.IDBlocks}, s)
			}
			assert.Positive(t, s.Records)
			d := openTest(t, DiskOptions{Dir: to})
			ids := take(t, d, s.Records, nil)
			assert.Len(t, ids, s.Records)
			assert.EqualValues(t, s.DeadLetters, d.Status().DeadLetters)
			assert.Equal(t, []bool{true}, appendTest(t, d, ids[0]), "ids are recovered too")

			_, err = Salvage(dir, to)
			assert.ErrorContains(t, err, "name an empty directory")
		})
	}
}

func TestSalvageLeavesOutWhatWasPublishedLongAgo(t *testing.T) {
	t.Parallel()
	dir, to := t.TempDir(), t.TempDir()
	d := openTest(t, DiskOptions{Dir: dir})
	for i := range 50 {
		appendTest(t, d, fmt.Sprint("event-", i))
		take(t, d, 1, nil)
	}
	require.Eventually(t, func() bool { return d.Status().Waiting == 0 }, testPatience, time.Millisecond)
	appendTest(t, d, "last")
	require.NoError(t, d.Close())
	s, err := Salvage(dir, to)
	require.NoError(t, err)
	assert.Equal(t, 1, s.Records)
	assert.Equal(t, []string{"last"}, take(t, openTest(t, DiskOptions{Dir: to}), 1, nil))
}

// TestNoFlippedBitMakesAWrongEvent flips bits all over a store: it is opened or refused and salvaged, every
// event that comes out is one that went in, whole, at most one is missing, and that is said.
func TestNoFlippedBitMakesAWrongEvent(t *testing.T) {
	t.Parallel()
	const n = 20
	dir := filled(t, n)
	pristine, err := os.ReadFile(filepath.Join(dir, StoreName))
	require.NoError(t, err)
	used := len(bytes.TrimRight(pristine, "\x00"))
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 160 {
		at, bit := random.IntN(used), byte(1)<<random.IntN(8)
		if i%2 == 0 { // where a page says what it is
			at = min(at-at%os.Getpagesize()+random.IntN(48), used-1)
		}
		damaged := bytes.Clone(pristine)
		damaged[at] ^= bit
		require.NoError(t, os.WriteFile(filepath.Join(dir, StoreName), damaged, 0o600))
		said := &bytes.Buffer{}
		d, err := OpenDisk(DiskOptions{Dir: dir, Logger: slog.New(slog.NewTextHandler(said, nil))})
		if err != nil { // salvage finds the rest
			refused++
			to := t.TempDir()
			_, err := Salvage(dir, to)
			require.NoError(t, err)
			d, err = OpenDisk(DiskOptions{Dir: to})
			require.NoError(t, err)
		}
		seen := drainTest(t, d)
		assert.GreaterOrEqual(t, len(seen), n-1, "bit %d of byte %d cost more than one record", bit, at)
		require.NoError(t, d.Close())
		if err == nil && len(seen) < n {
			assert.Contains(t, said.String(), "damaged", "the loss is not reported: bit %d of byte %d", bit, at)
		}
	}
	assert.Less(t, refused, 160)
	assert.Positive(t, refused, "salvage was never tried")
}

// drainTest takes every event out, and wants each to be one that went in, whole.
func drainTest(t *testing.T, d *Disk) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for deadline := time.Now().Add(testPatience); d.Status().Waiting > 0 && d.Status().Problem == nil && time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		item, err := d.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		require.NoError(t, err)
		e := item.Entry().Event
		assert.Equal(t, testRecord(e.ID).Entries[0].Event, e)
		seen[e.ID] = true
		d.Settle(item, gateway.Settlement{})
	}
	return seen
}

func TestStoresShareACapacity(t *testing.T) {
	t.Parallel()
	assert.EqualValues(t, 1000, openTest(t, DiskOptions{Dir: t.TempDir(), Capacity: 3000, Share: 3}).Status().Capacity)
}

// fill appends until the store takes nothing more, and says what it took.
func fill(t *testing.T, d *Disk, prefix string, size int) (stored []string) {
	t.Helper()
	for n := 0; ; n++ {
		require.Less(t, n, 100_000)
		r := testRecord(fmt.Sprint(prefix, n))
		r.Delivery.Body = bytes.Repeat([]byte("x"), size)
		if _, err := d.Append(context.Background(), r); err != nil {
			var away *gateway.UnavailableError
			require.ErrorAs(t, err, &away)
			require.Equal(t, gateway.ReasonFull, away.Reason)
			return stored
		}
		stored = append(stored, r.Entries[0].Event.ID)
	}
}

// A gateway that is killed on a full volume starts again, publishes what it has, and takes events then.
func TestDiskStartsOnAFullVolume(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 3000, 20_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := DiskOptions{Dir: dir, maxFile: 1 << 20}
			d := openTest(t, o)
			stored := fill(t, d, "event-", size)
			require.Error(t, d.Status().Problem)
			for range 3 {
				o.Dir = crashed(t, o.Dir)
				d = openTest(t, o)
				assert.EqualValues(t, len(stored), d.Status().Waiting)
				more := fill(t, d, fmt.Sprintf("%s-", filepath.Base(o.Dir)), size)
				stored = append(stored, more...)
			}
			assert.ElementsMatch(t, stored, take(t, d, len(stored), nil), "everything that was acknowledged is still there")
			require.Eventually(t, func() bool {
				_, err := d.Append(context.Background(), testRecord("later"))
				return err == nil
			}, testPatience, 10*time.Millisecond)
			assert.NoError(t, d.Status().Problem)
		})
	}
}

// Without space, and without a reserve that could be given back, nothing is called damaged.
func TestDiskWithoutAnySpace(t *testing.T) {
	t.Parallel()
	var ids []string
	for n := range 200 {
		ids = append(ids, fmt.Sprint("event-", n))
	}
	_, dir := journalOnly(t, ids...)
	dir = crashed(t, dir)
	require.NoError(t, os.Remove(filepath.Join(dir, ReserveName)))
	info, err := os.Stat(filepath.Join(dir, StoreName))
	require.NoError(t, err)
	_, err = OpenDisk(DiskOptions{Dir: dir, maxFile: int(info.Size())})
	require.ErrorContains(t, err, "enlarge the volume")
	assert.NotContains(t, err.Error(), "damaged")
	d := openTest(t, DiskOptions{Dir: dir})
	assert.EqualValues(t, len(ids), d.Status().Waiting)
}
