package mapping_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/golden"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// statuses are what a gateway answers where the definition does not say otherwise.
var statuses = map[mapping.Outcome]int{
	mapping.Accepted: 202, mapping.Ignored: 204, mapping.Unknown: 422, mapping.Rejected: 400, mapping.Malformed: 400,
}

// TestSamples maps the recorded deliveries of every connector. Whether one is refused for its signature is
// the gateway's affair; UPDATE_GOLDEN=1 writes what the others become.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, dir := range samplesIn(t, "../../charts/*/samples") {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			t.Parallel()
			testSamples(t, filepath.Join(dir, "../files"), dir)
		})
	}
}

func samplesIn(t *testing.T, pattern string) []string {
	t.Helper()
	directories, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, directories)
	return directories
}

func testSamples(t *testing.T, files, dir string) {
	d, err := connector.Load(os.DirFS(files))
	require.NoError(t, err)
	params, err := d.ReadParams(filepath.Join(dir, sample.ParamsFile))
	require.NoError(t, err)
	if os.Getenv(golden.UpdateVariable) != "" {
		update(t, d, params, dir)
	}
	samples, err := sample.Load(os.DirFS(dir))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, s := range samples {
		if s.Golden.Outcome == sample.Refused {
			continue
		}
		got := mapSample(t, d, params, s.Request)
		if s.Golden.Outcome == sample.Duplicate {
			require.NotEmpty(t, got.Events, s.Name)
			for _, e := range got.Events {
				assert.True(t, seen[e.ID], "%s: %s is the id of an earlier sample", s.Name, e.ID)
			}
			continue
		}
		assert.Equal(t, s.Golden.Outcome, string(got.Outcome), "%s: %s", s.Name, got.Reason)
		assert.Contains(t, got.Reason, s.Golden.Reason, s.Name)
		want, err := json.Marshal(s.Golden.Events)
		require.NoError(t, err)
		have, err := json.Marshal(goldenEvents(d, params, got.Events))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(have), s.Name)
		for _, e := range got.Events {
			assert.False(t, seen[e.ID], "%s: %s is the id of an earlier sample", s.Name, e.ID)
			seen[e.ID] = true
		}
	}
}

// mapSample finds the delivery that a request belongs to and maps it.
func mapSample(t *testing.T, d *connector.Definition, params *connector.Params, r sample.Request) mapping.Result {
	t.Helper()
	delivery := sample.Delivery(d, r)
	require.NotNil(t, delivery, "no delivery takes %s", r.Path())
	m, err := mapping.New(d, delivery, params.Input())
	require.NoError(t, err)
	var segments []string
	if delivery.HTTP != nil {
		if rest := strings.Trim(strings.TrimPrefix(r.Path(), delivery.HTTP.Path), "/"); rest != "" {
			segments = strings.Split(rest, "/")
		}
	}
	return m.Map(mapping.Delivery{Header: r.Header, Path: segments, Body: r.Body})
}

func goldenEvents(d *connector.Definition, params *connector.Params, events []event.Event) []sample.Event {
	application, _ := d.Application.Text(params.Input())
	var out []sample.Event
	for _, e := range events {
		g := sample.Event{ID: e.ID, Source: e.Source, Type: e.Type, Version: e.Version, Subject: e.Subject, Data: e.Data}
		if g.Source == application {
			g.Source = ""
		}
		if !e.Time.IsZero() {
			g.Time = e.Time.Format(time.RFC3339Nano)
		}
		out = append(out, g)
	}
	return out
}

// update writes the golden files, but for the outcomes that are not the mapping's.
func update(t *testing.T, d *connector.Definition, params *connector.Params, dir string) {
	t.Helper()
	requests, err := filepath.Glob(filepath.Join(dir, "*.http"))
	require.NoError(t, err)
	for _, file := range requests {
		target := strings.TrimSuffix(file, ".http") + ".golden.json"
		var old sample.Golden
		if data, err := os.ReadFile(target); err == nil {
			require.NoError(t, json.Unmarshal(data, &old))
		}
		if old.Outcome == sample.Refused || old.Outcome == sample.Duplicate {
			continue
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		request, err := sample.Parse(data)
		require.NoError(t, err)
		got := mapSample(t, d, params, request)
		fresh := sample.Golden{Outcome: string(got.Outcome), Status: statuses[got.Outcome], Reason: got.Reason, Events: goldenEvents(d, params, got.Events)}
		if request.Message() {
			fresh.Status, fresh.Reason = http.StatusAccepted, "" // a message is acknowledged whatever becomes of it, without a word
		}
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		require.NoError(t, encoder.Encode(fresh))
		require.NoError(t, os.WriteFile(target, out.Bytes(), 0o644))
	}
}
