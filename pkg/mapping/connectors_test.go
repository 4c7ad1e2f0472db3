package mapping_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/catalog"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// signed are the samples of a connector that become an event.
func signed(t *testing.T, name string) []sample.Sample {
	t.Helper()
	_, dir := files(name)
	all, err := sample.Load(os.DirFS(dir))
	require.NoError(t, err)
	var out []sample.Sample
	for _, s := range all {
		if s.Golden.Outcome == sample.Accepted {
			out = append(out, s)
		}
	}
	require.NotEmpty(t, out)
	return out
}

// TestWhatIsNotSignedChoosesNothing: neither of these systems signs what names the type. Whoever gets hold of one
// delivery can send it under any other name; none of them passes.
func TestWhatIsNotSignedChoosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("topic of a form", func(t *testing.T) {
		t.Parallel()
		_, _, m := connectorOf(t, "qualtrics")
		samples := signed(t, "qualtrics")
		for _, s := range samples {
			form, err := url.ParseQuery(string(s.Request.Body))
			require.NoError(t, err)
			for _, other := range samples {
				topics, err := url.ParseQuery(string(other.Request.Body))
				require.NoError(t, err)
				forged := url.Values{"MSG": form["MSG"], "HMAC": form["HMAC"], "Topic": topics["Topic"]}
				result := m.Map(mapping.Delivery{Header: s.Request.Header, Body: []byte(forged.Encode())})
				if result.Outcome == mapping.Accepted {
					assert.Equal(t, s.Golden.Events[0].ID, result.Events[0].ID, "%s as %s", s.Name, topics.Get("Topic"))
				}
			}
		}
	})
	t.Run("event in a header", func(t *testing.T) {
		t.Parallel()
		_, _, m := connectorOf(t, "github")
		samples := signed(t, "github")
		for _, s := range samples {
			for _, other := range samples {
				header := s.Request.Header.Clone()
				header.Set("X-GitHub-Event", other.Request.Header.Get("X-GitHub-Event"))
				header.Set("X-GitHub-Delivery", "another")
				result := m.Map(mapping.Delivery{Header: header, Body: s.Request.Body})
				if result.Outcome == mapping.Accepted {
					assert.Equal(t, s.Golden.Events[0].ID, result.Events[0].ID, s.Name)
					assert.Equal(t, s.Golden.Events[0].Type, result.Events[0].Type, "%s as %s", s.Name, header.Get("X-GitHub-Event"))
				}
			}
		}
	})
}

// TestLargePayloadIsCutToWhatKymaTakes: the rest can be read from the API.
func TestLargePayloadIsCutToWhatKymaTakes(t *testing.T) {
	t.Parallel()
	d, _, m := connectorOf(t, "github")
	_, dir := files("github")
	data, err := os.ReadFile(dir + "push.http")
	require.NoError(t, err)
	request, err := sample.Parse(data)
	require.NoError(t, err)
	var commits []string
	for i := range 2000 {
		commits = append(commits, fmt.Sprintf(`{"id":"%040x","message":"Change %d"}`, i, i))
	}
	body := strings.Replace(string(request.Body), `"commits":[`, `"commits":[`+strings.Join(commits, ",")+",", 1)
	require.Greater(t, len(body), 64<<10)

	result := m.Map(mapping.Delivery{Header: request.Header, Body: []byte(body)})
	require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
	e := result.Events[0]
	assert.Less(t, len(e.Data), 4<<10)
	assert.True(t, gjson.GetBytes(e.Data, "truncated").Bool())
	for _, path := range []string{"ref", "before", "after", "compare", "repository.full_name", "sender.login"} {
		assert.Equal(t, gjson.Get(body, path).String(), gjson.GetBytes(e.Data, path).String(), path)
	}
	events, err := catalog.Of(d)
	require.NoError(t, err)
	schema, err := events.Schema(e.FullType())
	require.NoError(t, err)
	assert.Empty(t, schema.Check(e.Data))

	other := m.Map(mapping.Delivery{Header: request.Header, Body: []byte(strings.Replace(body, "Change 7\"", "Change 8\"", 1))})
	assert.NotEqual(t, e.ID, other.Events[0].ID, "the id covers what is cut off")
}
