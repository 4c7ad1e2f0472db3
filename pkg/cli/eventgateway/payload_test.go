package eventgateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// notify sends a body to the webhook of c4c.
func (r *running) notify(t *testing.T, contentType, body string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, r.public+"/c4c", strings.NewReader(body))
	require.NoError(t, err)
	request.SetBasicAuth(c4cUser, c4cPassword)
	request.Header.Set("Content-Type", contentType)
	return do(t, request)
}

const goodID = "00163E5FA59C1ED8B3B9643A4B63D2AF"

func notification(id, entity string) string {
	return fmt.Sprintf(`{"event-type":"Account.Root.Created","event-id":%q,"data":{"entity-id":%q,"root-entity-id":%q}}`, id, entity, entity)
}

// letters lists the dead letters of a buffer by the reason that they are there for.
func letters(t *testing.T, dir string) map[string][]string {
	t.Helper()
	code, text, errs := run(t, "deadletters", "list", "--buffer-dir", dir, "--output", "json")
	require.Zero(t, code, errs)
	var all []struct{ ID, Reason string }
	require.NoError(t, json.Unmarshal([]byte(text), &all))
	found := map[string][]string{}
	for _, l := range all {
		found[l.Reason] = append(found[l.Reason], l.ID)
	}
	return found
}

// TestPayloadsAreHeldAgainstTheCatalog: off, warn and reject, through the whole gateway.
func TestPayloadsAreHeldAgainstTheCatalog(t *testing.T) {
	t.Parallel()
	const mismatch = `kyma_connectors_gateway_payload_mismatches_total{route="webhook",type="Account.Root.Created.v1"} 1`
	for _, tt := range []struct {
		mode, buffer string
		status       int
		metric, log  bool
		letter       bool
	}{
		{"", "none", 202, false, false, false},
		{"off", "none", 202, false, false, false},
		{"warn", "none", 202, true, true, false},
		{"warn", "disk", 202, true, true, false},
		{"reject", "none", 400, true, false, false},
		{"reject", "disk", 400, true, false, true},
	} {
		t.Run(tt.mode+" "+tt.buffer, func(t *testing.T) {
			t.Parallel()
			sink, dir := newTarget(t), t.TempDir()
			args := []string{"--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL, "--validate-payload", tt.mode, "--buffer", tt.buffer}
			if tt.buffer == "disk" {
				args = append(args, "--buffer-dir", dir)
			}
			g := serve(t, args...)
			assert.Equal(t, http.StatusAccepted, g.notify(t, "application/json", notification("good", goodID)).status)
			got := g.notify(t, "application/json", notification("bad", "ada@example.com"))
			assert.Equal(t, tt.status, got.status)
			other := g.notify(t, "application/json", `{"event-type":"Custom.Root.Created","event-id":"other","data":{"any":"thing"}}`)
			assert.Equal(t, http.StatusAccepted, other.status, "what is not in the catalog cannot be held against it")
			want := []string{"good", "bad", "other"}
			if tt.status != http.StatusAccepted {
				want = []string{"good", "other"}
				assert.Equal(t, "the payload is not what the event catalog says of Account.Root.Created.v1: entity-id does not match ^[0-9A-Fa-f]{32}$; root-entity-id does not match ^[0-9A-Fa-f]{32}$", got.Error)
			}
			sink.arrived(t, len(want))
			assert.ElementsMatch(t, want, sink.ids())
			_, metrics := g.get(t, "/metrics")
			assert.Equal(t, tt.metric, strings.Contains(metrics, mismatch))
			assert.Equal(t, tt.metric, strings.Contains(metrics, `payload_unchecked_total{route="webhook"} 1`))
			assert.Equal(t, tt.log, strings.Contains(g.logs.String(), `"msg":"a payload is not what the event catalog says"`))
			assert.NotContains(t, g.logs.String(), "ada@example.com")
			if !tt.letter {
				return
			}
			assert.Len(t, letters(t, dir)["payload"], 1)
			code, out, _ := run(t, "deadletters", "replay", "--all", "--buffer-dir", dir)
			assert.Equal(t, 1, code)
			assert.Contains(t, out, "the payload is not what the event catalog says")
			assert.Zero(t, g.stop())

			lenient := serve(t, append(args, "--validate-payload", "warn")...)
			code, _, errs := run(t, "deadletters", "replay", "--all", "--buffer-dir", dir)
			assert.Zero(t, code, errs)
			sink.arrived(t, 3)
			assert.Contains(t, sink.ids(), "bad")
			assert.Zero(t, lenient.stop())
		})
	}
}

// TestTheDefinitionSaysWhetherPayloadsAreChecked: and the operator has the last word.
func TestTheDefinitionSaysWhetherPayloadsAreChecked(t *testing.T) {
	t.Parallel()
	strict := changedC4C(t, "  catalog: events/asyncapi.yaml", "  catalog: events/asyncapi.yaml\n  validate: reject")
	for mode, want := range map[string]int{"": 400, "off": 202} {
		sink := newTarget(t)
		g := serve(t, "--connector", strict, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL, "--validate-payload", mode)
		assert.Equal(t, want, g.notify(t, "application/json", notification("bad", "x")).status, mode)
	}
	for _, command := range []string{"check", "serve"} {
		code, _, errs := run(t, command, "--connector", c4c, "--params", c4cParams, "--validate-payload", "strict")
		assert.Equal(t, 2, code)
		assert.Contains(t, errs, `--validate-payload "strict": want off, warn or reject`)
	}
}

// changedC4C is the definition of c4c with other words in it.
func changedC4C(t *testing.T, old, fresh string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Dir(c4c))))
	file := filepath.Join(dir, filepath.Base(c4c))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), old, fresh, 1)), 0o600))
	return file
}

// TestWhatCannotBeMappedIsADeadLetter: the sender hears what is wrong, the raw bytes are kept, and once the
// definition is mended they are replayed.
func TestWhatCannotBeMappedIsADeadLetter(t *testing.T) {
	t.Parallel()
	sink, dir := newTarget(t), t.TempDir()
	args := []string{"--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL, "--buffer", "disk", "--buffer-dir", dir}
	g := serve(t, append(args, "--connector", c4c)...)
	body := `{"event-type":"Account.Root.Created","eventId":"renamed","data":{"entity-id":"` + goodID + `","root-entity-id":"` + goodID + `"}}`
	for range 3 {
		got := g.notify(t, "application/json", body)
		assert.Equal(t, http.StatusBadRequest, got.status)
		assert.Equal(t, "event.id: is empty", got.Error)
	}
	assert.Equal(t, http.StatusBadRequest, g.notify(t, "application/json", "not JSON").status)
	found := letters(t, dir)["mapping"]
	require.Len(t, found, 2, "a repetition is kept once")
	code, out, _ := run(t, "deadletters", "show", found[0], "--buffer-dir", dir)
	assert.Zero(t, code)
	assert.Contains(t, out, "renamed")
	assert.NotContains(t, out, c4cPassword)
	code, out, _ = run(t, "deadletters", "replay", found[0], "--buffer-dir", dir)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "event.id: is empty")
	assert.Empty(t, sink.ids())
	assert.Zero(t, g.stop())

	serve(t, append(args, "--connector", changedC4C(t, `body("event-id")`, `body("event-id"), body("eventId")`))...)
	code, out, errs := run(t, "deadletters", "replay", found[0], "--buffer-dir", dir)
	assert.Zero(t, code, out+errs)
	sink.arrived(t, 1)
	assert.Equal(t, []string{"renamed"}, sink.ids())
	assert.Len(t, letters(t, dir)["mapping"], 1)

	none := serve(t, "--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL)
	assert.Equal(t, http.StatusBadRequest, none.notify(t, "application/json", body).status, "without a store it is refused, too")
}

// TestABatchThroughTheGateway: what came alone before is known, what is bad holds up nothing where it can be kept.
func TestABatchThroughTheGateway(t *testing.T) {
	t.Parallel()
	const media = "application/cloudevents-batch+json"
	one := func(id, kind string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/c4c","type":%q,"data":{"entity-id":%q,"root-entity-id":%q}}`, id, kind, goodID, goodID)
	}
	for buffer, want := range map[string]struct {
		status int
		ids    []string
	}{"none": {400, []string{"1"}}, "disk": {202, []string{"1", "2", "3"}}} {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			sink, dir := newTarget(t), t.TempDir()
			args := []string{"--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL, "--buffer", buffer}
			if buffer == "disk" {
				args = append(args, "--buffer-dir", dir)
			}
			g := serve(t, args...)
			require.Equal(t, http.StatusAccepted, g.notify(t, "application/cloudevents+json", one("1", "sap.c4c.Account.Root.Created.v1")).status)
			got := g.notify(t, media, "["+one("1", "sap.c4c.Account.Root.Created.v1")+","+one("2", "sap.c4c.Account.Root.Created.v1")+","+one("bad", "")+","+one("3", "sap.c4c.Account.Root.Deleted.v1")+"]")
			assert.Equal(t, want.status, got.status, got.Error)
			sink.arrived(t, len(want.ids))
			assert.ElementsMatch(t, want.ids, sink.ids())
			if buffer == "disk" {
				assert.Len(t, letters(t, dir)["mapping"], 1)
			}
			assert.Equal(t, http.StatusNoContent, g.notify(t, media, "[]").status)
			assert.Equal(t, http.StatusUnsupportedMediaType, g.notify(t, "application/cloudevents-batch+xml", "[]").status)
		})
	}
}
