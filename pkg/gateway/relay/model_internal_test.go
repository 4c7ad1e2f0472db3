package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// library is a system that keeps a schema.
type library struct {
	schema string
	err    error
	asked  int
	delay  time.Duration
}

func (l *library) Call(context.Context, Request) (*httpclient.Response, error) {
	l.asked++
	time.Sleep(l.delay)
	if l.err != nil {
		return nil, l.err
	}
	return &httpclient.Response{Status: 200, Body: []byte(l.schema)}, nil
}

func (l *library) Address(path string) string { return "https://library" + path }

const needsA, needsB = `{"required":["a"]}`, `{"required":["b"]}`

func TestTheSchemaIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &library{schema: needsA}
		p := &plan{caller: l, model: "/model"}
		m := newModel(&connector.RelaySchema{Refresh: connector.Duration(time.Hour)}, time.Now)
		check := func(document string) (fits bool) {
			problems, checked := m.check(t.Context(), p, []byte(document))
			require.True(t, checked)
			return len(problems) == 0
		}
		assert.True(t, check(`{"a":1}`))
		assert.False(t, check(`{"b":1}`))
		assert.Equal(t, 1, l.asked, "a fresh schema is believed")

		l.schema = needsB
		time.Sleep(modelFresh)
		assert.True(t, check(`{"a":1}`), "what fits needs no second look")
		assert.Equal(t, 1, l.asked)
		assert.True(t, check(`{"b":1}`), "somebody has changed the schema")
		assert.False(t, check(`{"a":1}`))
		assert.Equal(t, 2, l.asked)

		l.schema = needsA
		time.Sleep(time.Hour)
		assert.True(t, check(`{"a":1}`))
		assert.Equal(t, 3, l.asked, "after its time")

		l.err = errors.New("away")
		time.Sleep(time.Hour)
		assert.True(t, check(`{"a":1}`), "an old schema is better than none")
		require.ErrorContains(t, m.problem(), "away")
		assert.True(t, check(`{"a":1}`))
		assert.Equal(t, 4, l.asked, "it is left alone for a while")
		for range 2 {
			_, checked := m.check(t.Context(), p, []byte(`{"b":1}`))
			assert.False(t, checked, "but nothing is found wrong by it")
		}
		assert.Equal(t, 4, l.asked)
		l.err = nil
		time.Sleep(modelRetry)
		assert.True(t, check(`{"a":1}`))
		require.NoError(t, m.problem())
		assert.Equal(t, 5, l.asked)
	})
}

func TestTheFirstReadingIsWaitedForByAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &library{schema: needsA, delay: time.Second}
		p := &plan{caller: l}
		m := newModel(&connector.RelaySchema{}, time.Now)
		results := make(chan int, 3)
		for range 3 {
			go func() {
				problems, _ := m.check(t.Context(), p, []byte(`{}`))
				results <- len(problems)
			}()
		}
		for range 3 {
			assert.Equal(t, 1, <-results)
		}
		assert.Equal(t, 1, l.asked)

		m.forget()
		go func() { m.check(t.Context(), p, []byte(`{}`)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, checked := m.check(ctx, p, []byte(`{}`))
		assert.False(t, checked, "not for longer than there is time")
		time.Sleep(time.Second)
	})
}

func TestPick(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, at, want, err string }{
		"all of it":     {needsA, "", needsA, ""},
		"a part":        {`{"x":[{"s":` + needsA + `}]}`, "x.0.s", needsA, ""},
		"a text":        {`{"s":"{\"required\":[\"a\"]}"}`, "s", needsA, ""},
		"a text alone":  {`"{}"`, "", "{}", ""},
		"nothing there": {`{}`, "s", "", "nothing at"},
		"no JSON":       {`{`, "", "", "no JSON"},
	} {
		got, err := pick([]byte(test.body), test.at)
		if test.err != "" {
			assert.ErrorContains(t, err, test.err, name)
			continue
		}
		assert.NoError(t, err, name)
		assert.Equal(t, test.want, string(got), name)
	}
}
