package lint

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// hubPrefix begins the annotations that Artifact Hub reads.
const hubPrefix = "artifacthub.io/"

// hubRules are about what others than the broker show of a chart.
func hubRules() []Rule {
	return []Rule{
		{
			ID: "CHT023", Severity: Warning, Suite: SuiteChart,
			Summary: "annotations of Chart.yaml that begin with artifacthub.io/ are ones that Artifact Hub knows, and can be read",
			Effect:  "Artifact Hub ignores them, or does not show the release at all",
			Next:    "correct the annotation; its value is a text, which may hold YAML",
			addon: func(c *addonContext) []problem {
				meta := c.document(c.chartFile(chartFile))
				var problems []problem
				for _, e := range meta.entries("annotations") {
					name, ours := strings.CutPrefix(e.key, hubPrefix)
					if !ours {
						continue
					}
					check, known := hubAnnotations()[name]
					what := ""
					if !known {
						what = "is not known" + didYouMean(name, slices.Sorted(maps.Keys(hubAnnotations())))
					} else {
						what = check(e.node.Value)
					}
					if what != "" {
						problems = append(problems, problem{path: meta.name, line: e.line, message: fmt.Sprintf("%s %s", e.key, what)})
					}
				}
				return problems
			},
		},
	}
}

// hubAnnotations are the annotations that Artifact Hub knows, each with what says what is wrong with a value.
func hubAnnotations() map[string]func(string) string {
	return map[string]func(string) string{
		"alternativeName":         hubText,
		"category":                hubOneOf("ai-machine-learning", "database", "integration-delivery", "monitoring-logging", "networking", "security", "storage", "streaming-messaging", "skip-prediction"),
		"changes":                 hubChanges,
		"containsSecurityUpdates": hubSwitch,
		"crds":                    hubList("kind", "version", "name"),
		"crdsExamples":            hubList(),
		"images":                  hubList("image"),
		"license":                 hubText,
		"links":                   hubList("name", "url"),
		"maintainers":             hubList("name", "email"),
		"operator":                hubSwitch,
		"operatorCapabilities":    hubOneOf("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot"),
		"prerelease":              hubSwitch,
		"recommendations":         hubList("url"),
		"screenshots":             hubList("title", "url"),
		"signKey":                 hubKey,
	}
}

// readYAML reads YAML that has not been looked at before: aliases could stand for megabytes.
func readYAML(data []byte, into any) error {
	if err := addon.CheckYAML(data); err != nil {
		return err
	}
	return yaml.Unmarshal(data, into)
}

func hubText(value string) string {
	if strings.TrimSpace(value) == "" {
		return "is empty"
	}
	return ""
}

func hubSwitch(value string) string {
	if _, err := strconv.ParseBool(value); err != nil {
		return fmt.Sprintf("is %q: want \"true\" or \"false\"", value)
	}
	return ""
}

func hubOneOf(choice ...string) func(string) string {
	return func(value string) string {
		if !slices.ContainsFunc(choice, func(c string) bool { return strings.EqualFold(c, value) }) {
			return fmt.Sprintf("is %q: want one of %s", value, strings.Join(choice, ", "))
		}
		return ""
	}
}

// hubList reads a list of objects that need some keys.
func hubList(keys ...string) func(string) string {
	return func(value string) string {
		var items []map[string]any
		if err := readYAML([]byte(value), &items); err != nil || len(items) == 0 {
			return "holds no list of objects in YAML"
		}
		for i, item := range items {
			for _, key := range keys {
				text, _ := item[key].(string)
				if text == "" {
					return fmt.Sprintf("lacks %s in entry %d", key, i+1)
				}
				if what := hubAddress(key, text); what != "" {
					return what
				}
			}
		}
		return ""
	}
}

func hubAddress(key, text string) string {
	if u, err := url.Parse(text); key == "url" && (err != nil || u.Scheme == "" || u.Host == "") {
		return fmt.Sprintf("has the url %q, which is none", text)
	}
	return ""
}

// hubChanges reads a list of texts, or of objects with a kind and a description.
func hubChanges(value string) string {
	var texts []string
	if readYAML([]byte(value), &texts) == nil && len(texts) > 0 {
		return ""
	}
	if what := hubList("kind", "description")(value); what != "" {
		return what
	}
	var items []struct {
		Kind string `json:"kind"`
	}
	_ = readYAML([]byte(value), &items) // was read before
	for _, item := range items {
		if what := hubOneOf("added", "changed", "deprecated", "removed", "fixed", "security")(item.Kind); what != "" {
			return "has a kind that " + what
		}
	}
	return ""
}

func hubKey(value string) string {
	var key map[string]string
	if err := readYAML([]byte(value), &key); err != nil || key["fingerprint"] == "" || key["url"] == "" {
		return "needs fingerprint and url"
	}
	return hubAddress("url", key["url"])
}

// refusesSuffixes says whether a constraint of versions takes no version with a suffix, as many clusters have.
func refusesSuffixes(constraint string) bool {
	want, err := semver.NewConstraint(constraint)
	if err != nil {
		return false // the chart does not load, or does not render
	}
	for minor := range 60 {
		plain, suffixed := semver.New(1, uint64(minor), 3, "", ""), semver.New(1, uint64(minor), 3, "gke.100", "")
		if want.Check(plain) {
			return !want.Check(suffixed)
		}
	}
	return false
}
