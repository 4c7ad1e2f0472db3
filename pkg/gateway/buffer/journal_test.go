package buffer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// crashed copies the files of an open store, as a process that was killed leaves them.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{StoreName, JournalName} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
	}
	if info, err := os.Stat(filepath.Join(dir, ReserveName)); err == nil {
		require.NoError(t, os.WriteFile(filepath.Join(to, ReserveName), make([]byte, info.Size()), 0o600))
	}
	return to
}

// journalOnly is an open store with events that are only in its journal.
func journalOnly(t *testing.T, ids ...string) (d *Disk, dir string) {
	t.Helper()
	dir = t.TempDir()
	d = openTest(t, DiskOptions{Dir: dir, moveEvery: time.Hour})
	for _, id := range ids {
		appendTest(t, d, id)
	}
	require.Zero(t, d.stored.Load(), "the store was written")
	return d, dir
}

func TestWhatIsOnlyInTheJournalSurvivesACrash(t *testing.T) {
	t.Parallel()
	d, dir := journalOnly(t, "published", "waiting", "last")
	take(t, d, 1, nil)
	second := openTest(t, DiskOptions{Dir: crashed(t, dir)})
	for deadline := time.Now().Add(testPatience); second.Status().Waiting > 2 && time.Now().Before(deadline); { // what is settled is noted a little later
		second = openTest(t, DiskOptions{Dir: crashed(t, dir)})
	}
	require.EqualValues(t, 2, second.Status().Waiting)
	assert.Equal(t, []string{"waiting", "last"}, take(t, second, 2, nil))
	for _, id := range []string{"published", "waiting", "last"} {
		assert.Equal(t, []bool{true}, appendTest(t, second, id), "%s is known", id)
	}
}

// TestAJournalIsReadOnce crashes again and again: what was moved into the store is not read a second time.
func TestAJournalIsReadOnce(t *testing.T) {
	t.Parallel()
	_, dir := journalOnly(t, "a", "b")
	for range 3 {
		old, err := os.ReadFile(filepath.Join(dir, JournalName))
		require.NoError(t, err)
		dir = crashed(t, dir)
		d := openTest(t, DiskOptions{Dir: dir})
		require.EqualValues(t, 2, d.Status().Waiting)
		dir = crashed(t, dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, JournalName), old, 0o600)) // it was not yet begun anew
	}
}

// TestTheJournalLosesNothing goes round the journal's file several times and crashes meanwhile.
func TestTheJournalLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openTest(t, DiskOptions{Dir: dir, maxFile: 16 << 20, Capacity: 1 << 30})
	random := rand.New(rand.NewPCG(3, 4))
	waiting := map[string]bool{}
	for round := range 8 {
		for i := range 60 {
			id := fmt.Sprintf("event-%d-%d", round, i)
			r := testRecord(id)
			r.Delivery.Body = bytes.Repeat([]byte{byte('a' + i%26)}, 1000+random.IntN(60<<10))
			_, err := d.Append(context.Background(), r)
			require.NoError(t, err)
			waiting[id] = true
		}
		for _, id := range take(t, d, 55, nil) {
			delete(waiting, id)
		}
		copied := openTest(t, DiskOptions{Dir: crashed(t, dir)})
		seen := map[string]bool{}
		for _, id := range take(t, copied, int(copied.Status().Waiting), nil) {
			assert.False(t, seen[id], "%s came twice", id)
			seen[id] = true
		}
		for id := range waiting {
			assert.True(t, seen[id], "%s was acknowledged and is lost", id)
		}
		require.NoError(t, copied.Close())
	}
}

// TestNoFlippedBitInAJournalMakesAWrongEvent flips bits all over a journal: at most one event is missing, and then
// that is said.
func TestNoFlippedBitInAJournalMakesAWrongEvent(t *testing.T) {
	t.Parallel()
	const n = 20
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint("event-", i))
	}
	_, dir := journalOnly(t, ids...)
	pristine, err := os.ReadFile(filepath.Join(dir, JournalName))
	require.NoError(t, err)
	used := len(bytes.TrimRight(pristine, "\x00"))
	dir = crashed(t, dir)
	store, err := os.ReadFile(filepath.Join(dir, StoreName))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(5, 6))
	lost := 0
	for range 120 {
		at, bit := random.IntN(used), byte(1)<<random.IntN(8)
		damaged := bytes.Clone(pristine)
		damaged[at] ^= bit
		require.NoError(t, os.WriteFile(filepath.Join(dir, JournalName), damaged, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, StoreName), store, 0o600))
		said := &bytes.Buffer{}
		d, err := OpenDisk(DiskOptions{Dir: dir, Logger: slog.New(slog.NewTextHandler(said, nil))})
		require.NoError(t, err)
		seen := drainTest(t, d)
		require.NoError(t, d.Close())
		assert.GreaterOrEqual(t, len(seen), n-1, "bit %d of byte %d cost more than one record", bit, at)
		if len(seen) < n {
			lost++
			assert.Contains(t, said.String(), "damaged", "the loss is not reported: bit %d of byte %d", bit, at)
		}
	}
	assert.Positive(t, lost, "no record was hit")
}

func TestAJournalWithoutItsHeadIsNotThrownAway(t *testing.T) {
	t.Parallel()
	_, dir := journalOnly(t, "a")
	dir = crashed(t, dir)
	path := filepath.Join(dir, JournalName)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	copy(data, bytes.Repeat([]byte{0xff}, journalHead))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	_, err = OpenDisk(DiskOptions{Dir: dir})
	require.ErrorContains(t, err, "all copies of its head are damaged")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, data, after)
}

// TestNoPayloadBecomesARecord is about a sender who writes frames into a payload, the rest of which is found later.
func TestNoPayloadBecomesARecord(t *testing.T) {
	t.Parallel()
	forged, err := testRecord("forged").AppendBinary(newFrame(nil, kindEvent))
	require.NoError(t, err)
	forged = seal(forged, 2, 0)
	d, dir := journalOnly(t)
	r := testRecord("real")
	r.Delivery.Body = forged
	_, err = d.Append(context.Background(), r)
	require.NoError(t, err)
	dir = crashed(t, dir)
	path := filepath.Join(dir, JournalName)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[journalHead] ^= 1 // the frame around it is no frame any more
	require.NoError(t, os.WriteFile(path, data, 0o600))
	assert.Zero(t, openTest(t, DiskOptions{Dir: dir}).Status().Waiting)
}

func TestTheStoreTakesEverythingWhereTheJournalFails(t *testing.T) {
	t.Parallel()
	d, dir := journalOnly(t, "before")
	require.NoError(t, d.journal.file.Close())
	appendTest(t, d, "while")
	assert.NotZero(t, d.stored.Load(), "the store has it")
	stored := d.stored.Load()
	appendTest(t, d, "after")
	assert.Equal(t, stored, d.stored.Load(), "there is a journal again")
	assert.NoError(t, d.Status().Problem)
	assert.Equal(t, []string{"before", "while", "after"}, take(t, openTest(t, DiskOptions{Dir: crashed(t, dir)}), 3, nil))
	assert.Equal(t, []string{"before", "while", "after"}, take(t, d, 3, nil))
}

func TestRepetitionsWithinTheJournal(t *testing.T) {
	t.Parallel()
	d, dir := journalOnly(t, "a")
	assert.Equal(t, []bool{true}, appendTest(t, d, "a"))
	assert.Equal(t, []bool{true, false}, appendTest(t, d, "a", "b"))
	require.Zero(t, d.stored.Load())
	assert.Equal(t, []string{"a", "b"}, take(t, openTest(t, DiskOptions{Dir: crashed(t, dir)}), 2, nil))
}

// TestADeadLetterOfTheJournalIsKept settles one event of a delivery as a dead letter and the other as published.
func TestADeadLetterOfTheJournalIsKept(t *testing.T) {
	t.Parallel()
	d, dir := journalOnly(t)
	appendTest(t, d, "poison", "good")
	for range 2 {
		item, err := d.Next(t.Context())
		require.NoError(t, err)
		s := gateway.Settlement{}
		if item.Entry().Event.ID == "poison" {
			s.Failure = &gateway.Failure{Reason: gateway.ReasonInvalid, Detail: "no", At: item.Record.Delivery.Received}
		}
		d.Settle(item, s)
	}
	require.Eventually(t, func() bool { return d.Status().Waiting == 0 && d.Status().DeadLetters == 1 }, testPatience, time.Millisecond)
	again := openTest(t, DiskOptions{Dir: crashed(t, dir)})
	assert.EqualValues(t, 1, again.Status().DeadLetters)
	assert.Zero(t, again.Status().Waiting)
}

func TestSalvageReadsTheJournal(t *testing.T) {
	t.Parallel()
	_, dir := journalOnly(t, "a", "b", "c")
	dir = crashed(t, dir)
	damage(t, dir, func(data []byte) []byte { return data[:os.Getpagesize()] })
	_, err := OpenDisk(DiskOptions{Dir: dir})
	require.ErrorContains(t, err, "is damaged")
	to := t.TempDir()
	s, err := Salvage(dir, to)
	require.NoError(t, err)
	assert.Equal(t, 3, s.Records)
	d := openTest(t, DiskOptions{Dir: to})
	assert.Equal(t, []string{"a", "b", "c"}, take(t, d, 3, nil))
	assert.Equal(t, []bool{true}, appendTest(t, d, "b"))
}
