package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// TestSamplesOfEveryKind: the samples of each connector show what is taken, what is known and what is not taken.
func TestSamplesOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, dir := range samplesIn(t, "../../charts/*/samples") {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			t.Parallel()
			samples, err := sample.Load(os.DirFS(dir))
			require.NoError(t, err)
			outcomes := map[string]bool{}
			for _, s := range samples {
				outcomes[s.Golden.Outcome] = true
			}
			for _, outcome := range []string{sample.Accepted, sample.Duplicate, sample.Refused} {
				assert.True(t, outcomes[outcome], "no sample is %s", outcome)
			}
			assert.True(t, outcomes[sample.Ignored] || outcomes[sample.Malformed] || outcomes[sample.Rejected], "no sample is ignored, malformed or rejected")
		})
	}
}

// TestWebhooksAskForTheCatalog: what the catalog lists, a webhook can ask for.
func TestWebhooksAskForTheCatalog(t *testing.T) {
	t.Parallel()
	for _, dir := range samplesIn(t, "../../charts/*/samples") {
		d, err := connector.Load(os.DirFS(filepath.Join(dir, "../files")))
		require.NoError(t, err)
		for _, w := range d.Webhooks {
			if w.Each == connector.EachInstance || w.First {
				continue // it brings whatever the instance has
			}
			for _, eventType := range d.EventTypes() {
				assert.True(t, brings(d, w, eventType.Name), "%s: no webhook brings %s", d.Metadata.Name, eventType.Name)
			}
		}
	}
}

// brings says whether a topic of the webhook, or of the types of its delivery, brings events of a type.
func brings(d *connector.Definition, w connector.Webhooks, name string) bool {
	for _, topic := range w.Topics {
		for _, pattern := range topic.Types {
			if prefix, open := strings.CutSuffix(pattern, "*"); pattern == name || open && strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	for i := range d.Deliveries {
		for _, rule := range d.Deliveries[i].Types {
			if rule.Type == name && rule.Topic != "" && len(w.Topics) == 0 {
				return true
			}
		}
	}
	return false
}
