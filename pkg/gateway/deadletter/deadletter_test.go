package deadletter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/deadletter"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// letters are dead letters in memory.
type letters struct {
	list     []gateway.DeadLetter
	requeued map[string][]gateway.Entry
}

func (l *letters) List(_ context.Context, after string, limit int) ([]gateway.DeadLetter, error) {
	var out []gateway.DeadLetter
	for _, d := range l.list {
		if d.ID > after && len(out) < limit {
			out = append(out, d)
		}
	}
	return out, nil
}

func (l *letters) Get(_ context.Context, id string) (gateway.DeadLetter, error) {
	for _, d := range l.list {
		if d.ID == id {
			return d, nil
		}
	}
	return gateway.DeadLetter{}, gateway.ErrNoDeadLetter
}

func (l *letters) Requeue(ctx context.Context, id string, entries []gateway.Entry) error {
	l.requeued[id] = entries
	return l.Drop(ctx, id)
}

func (l *letters) Drop(_ context.Context, id string) error {
	l.list = slices.DeleteFunc(l.list, func(d gateway.DeadLetter) bool { return d.ID == id })
	return nil
}

var noon = time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)

func newEvent(id string) event.Event {
	return event.Event{ID: id, Source: "c4c", Type: "A.B", Version: "v1", Data: json.RawMessage(`{}`)}
}

// three dead letters: one that the sink refused, one that could not be mapped, one that failed just now.
func newLetters() *letters {
	l := &letters{requeued: map[string][]gateway.Entry{}}
	add := func(id string, e event.Event, reason gateway.Reason, at time.Time) {
		l.list = append(l.list, gateway.DeadLetter{ID: id,
			Delivery: gateway.Delivery{Route: "webhook", Received: noon, Body: []byte(`{"raw":"` + id + `"}`)},
			Entry:    gateway.Entry{Event: e, Key: "k", Failure: &gateway.Failure{Reason: reason, Detail: "because", At: at, Attempts: 3}}})
	}
	add("1", newEvent("a"), gateway.ReasonInvalid, noon)
	add("2", event.Event{}, gateway.ReasonUnknownType, noon)
	add("3", newEvent("c"), gateway.ReasonInvalid, noon.Add(2*time.Hour))
	return l
}

// managers are a service on its own, and one behind HTTP.
func managers(t *testing.T, s *deadletter.Service) map[string]deadletter.Manager {
	t.Helper()
	s.Now = func() time.Time { return noon.Add(time.Hour) }
	token := secret.New("management-token")
	server := httptest.NewServer(deadletter.Handler(s, token))
	t.Cleanup(server.Close)
	return map[string]deadletter.Manager{"direct": s, "http": deadletter.NewClient(strings.TrimPrefix(server.URL, "http://"), token)}
}

func TestManage(t *testing.T) {
	t.Parallel()
	remap := func(d gateway.Delivery) ([]gateway.Entry, error) {
		if string(d.Body) == `{"raw":"1"}` {
			return nil, errors.New("it is still unknown: types: no entry matches")
		}
		return []gateway.Entry{{Event: newEvent("mapped")}}, nil
	}
	ctx := context.Background()
	for _, name := range []string{"direct", "http"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLetters()
			m := managers(t, &deadletter.Service{Letters: l, Remap: remap})[name]

			list, err := m.List(ctx, "", 10)
			require.NoError(t, err)
			require.Len(t, list, 3)
			assert.Equal(t, deadletter.Summary{ID: "1", Delivery: "webhook", Received: noon, Failed: noon, Reason: "invalid", Detail: "because", Attempts: 3, EventID: "a", EventType: "A.B.v1"}, list[0])
			assert.Empty(t, list[1].EventID)

			letter, err := m.Show(ctx, "2")
			require.NoError(t, err)
			assert.Equal(t, `{"raw":"2"}`, letter.Body)
			assert.Nil(t, letter.Event)
			_, err = m.Show(ctx, "9")
			assert.ErrorIs(t, err, gateway.ErrNoDeadLetter)

			results, err := m.Replay(ctx, deadletter.Replay{Selection: deadletter.Selection{IDs: []string{"1", "2", "9"}}, DryRun: true})
			require.NoError(t, err)
			assert.Equal(t, []deadletter.Result{
				{ID: "1", Done: "would requeue", Events: []event.Event{newEvent("a")}},
				{ID: "2", Done: "would requeue", Events: []event.Event{newEvent("mapped")}},
				{ID: "9", Error: "no such dead letter"},
			}, results)
			assert.Empty(t, l.requeued, "a dry run changes nothing")

			results, err = m.Replay(ctx, deadletter.Replay{Selection: deadletter.Selection{IDs: []string{"1"}}, Remap: true})
			require.NoError(t, err)
			assert.Equal(t, []deadletter.Result{{ID: "1", Error: "it is still unknown: types: no entry matches"}}, results)

			results, err = m.Replay(ctx, deadletter.Replay{Selection: deadletter.Selection{All: true}})
			require.NoError(t, err)
			assert.Equal(t, []deadletter.Result{{ID: "1", Done: "requeued"}, {ID: "2", Done: "requeued"}}, results, "what failed after the command was given is left alone")
			assert.Equal(t, []gateway.Entry{{Event: newEvent("a"), Key: "k"}}, l.requeued["1"])
			assert.Equal(t, []gateway.Entry{{Event: newEvent("mapped")}}, l.requeued["2"])

			results, err = m.Drop(ctx, deadletter.Selection{IDs: []string{"3"}})
			require.NoError(t, err)
			assert.Equal(t, []deadletter.Result{{ID: "3", Done: "dropped"}}, results)
			assert.Empty(t, l.list)

			_, err = m.Drop(ctx, deadletter.Selection{})
			assert.EqualError(t, err, "name dead letters, or ask for all")
		})
	}
}

func TestAllCanBeLimitedToAReason(t *testing.T) {
	t.Parallel()
	l := newLetters()
	m := managers(t, &deadletter.Service{Letters: l})["direct"]
	results, err := m.Drop(context.Background(), deadletter.Selection{All: true, Reason: "unknown_type"})
	require.NoError(t, err)
	assert.Equal(t, []deadletter.Result{{ID: "2", Done: "dropped"}}, results)
}

func TestWithoutDefinitionNothingIsMappedAgain(t *testing.T) {
	t.Parallel()
	m := managers(t, &deadletter.Service{Letters: newLetters()})["direct"]
	results, err := m.Replay(context.Background(), deadletter.Replay{Selection: deadletter.Selection{IDs: []string{"2"}}})
	require.NoError(t, err)
	assert.Contains(t, results[0].Error, "--connector")
}

func TestTheHandlerWantsItsToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "wrong"} {
		server := httptest.NewServer(deadletter.Handler(&deadletter.Service{Letters: newLetters()}, secret.New("right")))
		t.Cleanup(server.Close)
		_, err := deadletter.NewClient(strings.TrimPrefix(server.URL, "http://"), secret.New(token)).List(context.Background(), "", 1)
		assert.EqualError(t, err, "unauthorized", fmt.Sprintf("token %q", token))
	}
}
