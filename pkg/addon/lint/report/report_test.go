package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/report"
)

func findings() []lint.Finding {
	return []lint.Finding{
		{Rule: "MET001", Severity: lint.Error, Suite: lint.SuiteLoad, Path: "addons/a b,c:1/meta.yaml", Line: 3, Message: "100% wrong\nand more", Next: "fill in"},
		{Rule: "SEC002", Severity: lint.Warning, Suite: lint.SuiteSecurity, Path: "charts/x/templates/é.yaml", Message: "a", Next: "b"},
		{Rule: "MET014", Severity: lint.Info, Suite: lint.SuiteOSB, Path: "x", Message: "a", Next: "b"},
	}
}

// The schema is the one that OASIS publishes.
func TestSARIFIsValidByItsPublishedSchema(t *testing.T) {
	t.Parallel()
	published, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	require.NoError(t, err)
	schema, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(published))
	require.NoError(t, err)
	for name, found := range map[string][]lint.Finding{"none": nil, "some": findings()} {
		var out bytes.Buffer
		require.NoError(t, report.SARIF(&out, report.Tool{Version: "v1.2.3", Pages: "https://example.com/rules/"}, found))
		result, err := schema.Validate(gojsonschema.NewBytesLoader(out.Bytes()))
		require.NoError(t, err)
		for _, e := range result.Errors() {
			t.Errorf("%s: %s", name, e)
		}
		var log struct {
			Runs []struct {
				Tool struct {
					Driver struct {
						Rules []struct{ ID, HelpURI string }
					}
				}
				Results []struct {
					RuleID, Level string
					RuleIndex     int
					Message       struct{ Text string }
					Locations     []struct {
						PhysicalLocation struct {
							ArtifactLocation struct{ URI string }
							Region           *struct{ StartLine int }
						}
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal(out.Bytes(), &log))
		require.Len(t, log.Runs, 1)
		rules := log.Runs[0].Tool.Driver.Rules
		assert.Len(t, rules, len(lint.Rules()))
		require.Len(t, log.Runs[0].Results, len(found))
		for i, r := range log.Runs[0].Results {
			assert.Equal(t, found[i].Rule, r.RuleID)
			if r.RuleIndex > 0 {
				assert.Equal(t, r.RuleID, rules[r.RuleIndex].ID)
				assert.Equal(t, "https://example.com/rules/"+r.RuleID+".md", rules[r.RuleIndex].HelpURI)
			}
		}
		if name == "some" {
			first := log.Runs[0].Results[0]
			assert.Equal(t, "addons/a%20b,c%3A1/meta.yaml", first.Locations[0].PhysicalLocation.ArtifactLocation.URI)
			assert.Equal(t, 3, first.Locations[0].PhysicalLocation.Region.StartLine)
			assert.Nil(t, log.Runs[0].Results[1].Locations[0].PhysicalLocation.Region)
			assert.Equal(t, "note", log.Runs[0].Results[2].Level)
		}
	}
}

func TestGitHubActionsEscapesWhatWouldEndACommand(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, report.GitHubActions(&out, findings()))
	assert.Equal(t, `::error file=addons/a b%2Cc%3A1/meta.yaml,line=3,title=MET001::100%25 wrong%0Aand more%0ANext: fill in
::warning file=charts/x/templates/é.yaml,title=SEC002::a%0ANext: b
::notice file=x,title=MET014::a%0ANext: b
`, out.String())
}
