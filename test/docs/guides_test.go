package docs

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/objects"
)

const root = "../.."

// guides are the pages about a connector in a cluster; their examples are of one release.
var guides = []string{"docs/start.md", "docs/install.md", "docs/operate.md", "docs/security.md"}

// pages are all documents that somebody wrote.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "docs/systems/*.md", "charts/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, name := range found {
			all = append(all, filepath.ToSlash(name)[len(root)+1:])
		}
	}
	require.Subset(t, all, guides)
	return slices.DeleteFunc(all, func(name string) bool { return name == "CHANGELOG.md" }) // which tells of the past, too
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(data)
}

var (
	fence   = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```")
	inline  = regexp.MustCompile("`([^`\n]+)`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// blocks are the fenced blocks of some languages, without their indentation.
func blocks(page string, languages ...string) []string {
	var out []string
	for _, b := range fence.FindAllStringSubmatch(page, -1) {
		if slices.Contains(languages, b[2]) {
			out = append(out, strings.ReplaceAll("\n"+b[3], "\n"+b[1], "\n"))
		}
	}
	return out
}

// spans are the pieces of code in a page's text.
func spans(page string) []string {
	var out []string
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestLinks: what a page links to exists, headings included.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, anchored := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if !assert.FileExists(t, filepath.Join(root, target), "%s links to %s", page, m[1]) && !anchored {
				continue
			}
			if anchored {
				assert.Contains(t, anchors(read(t, target)), anchor, "%s links to %s", page, m[1])
			}
		}
	}
}

// anchors are the headings of a page as links name them.
func anchors(page string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		name := strings.ToLower(strings.TrimSpace(m[1]))
		name = regexp.MustCompile(`[^\p{L}\p{N}\- _]`).ReplaceAllString(name, "")
		out = append(out, strings.ReplaceAll(name, " ", "-"))
	}
	return out
}

// tool is a command line: its commands ("lint", "buffer salvage", "" for none) with their flags, and what they take from the
// environment.
type tool struct {
	flags map[string][]string
	env   []string
}

// ours are the three programs, as their reference pages describe them; a test elsewhere holds those against the programs.
var ours = sync.OnceValues(func() (map[string]tool, error) {
	tools := map[string]tool{}
	for _, name := range []string{"addonctl", "event-gateway", "registration-job"} {
		data, err := os.ReadFile(filepath.Join(root, "docs/reference/cli", name+".md"))
		if err != nil {
			return nil, err
		}
		t := tool{flags: map[string][]string{}}
		command := ""
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "## "+name); ok {
				command = strings.TrimSpace(rest)
				t.flags[command] = nil
			}
			if m := regexp.MustCompile("^\\| `(--[a-z-]+)[ `]").FindStringSubmatch(line); m != nil {
				t.flags[command] = append(t.flags[command], m[1])
			}
			for _, m := range regexp.MustCompile(`\[\$(KC_[A-Z_]+)\]`).FindAllStringSubmatch(line, -1) {
				t.env = append(t.env, m[1])
			}
		}
		tools[name] = t
	}
	return tools, nil
})

// others are the commands of other programs that pages may show, with the flags that they were seen to have.
var others = map[string]tool{
	"helm": {flags: map[string][]string{
		"":          {"--namespace"},
		"install":   {"--create-namespace", "--values", "--timeout", "--version", "--set", "--set-file"},
		"upgrade":   {"--install", "--values", "--timeout", "--set", "--set-file"},
		"rollback":  {"--timeout"},
		"uninstall": {"--no-hooks"},
		"template":  {"--values", "--kube-version", "--api-versions"},
		"test":      {"--logs"}, "list": {"--all-namespaces"}, "get notes": {}, "repo add": {}, "push": {},
	}},
	"kubectl": {flags: map[string][]string{
		"":             {"--namespace", "-n", "--kubeconfig"},
		"get":          {"--selector", "--all-namespaces", "--output", "-o"},
		"describe":     {"--selector"},
		"logs":         {"--selector", "--container", "--prefix", "--follow"},
		"exec":         {"--container", "-i"},
		"port-forward": {},
		"apply":        {"--filename", "-f"},
		"patch":        {"--patch", "--type"},
		"delete":       {"--selector", "--cascade", "-l"},
		"create job":   {"--from"}, "create namespace": {},
		"config set-context": {"--current"},
		"scale":              {"--replicas"},
		"wait":               {"--for", "--selector", "--timeout"},
		"rollout restart":    {},
		"rollout status":     {},
	}},
}

// elsewhere are programs whose options nobody here knows.
var elsewhere = []string{"make", "go", "cat", "curl", "cd", "cosign", "syft", "sha256sum", "openssl", "git", "cp", "export", "UPDATE_GOLDEN=1", "CHAOS_KILLS=200"}

// TestCommands: each command of a page is one of a program, with flags that it has; each target of make is in the Makefile; files of the
// repository that a command names are there.
func TestCommands(t *testing.T) {
	t.Parallel()
	own, err := ours()
	require.NoError(t, err)
	makefile := read(t, "Makefile")
	seen := 0
	for _, page := range pages(t) {
		text := read(t, page)
		known := slices.Collect(maps.Keys(own))
		var lines []string
		for _, block := range blocks(text, "sh") {
			lines = append(lines, commandLines(block)...)
		}
		for _, block := range blocks(text, "console") { // with what is printed
			for _, m := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(block, -1) {
				lines = append(lines, commandLines(m[1])...)
			}
		}
		for _, span := range spans(text) {
			if first, _, more := strings.Cut(strings.TrimPrefix(span, "bin/"), " "); more && (slices.Contains(known, first) || others[first].flags != nil || first == "make") {
				lines = append(lines, commandLines(span)...)
			}
		}
		for _, line := range lines {
			words := split(line)
			program := strings.TrimPrefix(words[0], "bin/")
			switch {
			case program == "make":
				for _, word := range words[1:] {
					if !strings.Contains(word, "=") && !strings.HasPrefix(word, "-") {
						assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(word)+`:`, makefile, "%s: make %s", page, word)
					}
				}
			case slices.Contains(known, program):
				seen++
				checkCommand(t, page+": "+line, own[program], words[1:])
			case others[program].flags != nil:
				seen++
				checkCommand(t, page+": "+line, others[program], words[1:])
			default:
				assert.Contains(t, elsewhere, program, "%s: %s", page, line)
			}
			for _, word := range words[1:] {
				if regexp.MustCompile(`^(charts|addons|docs|scripts|pkg|cmd)/[\w./-]+$`).MatchString(word) && !strings.Contains(word, "acme") {
					_, err := os.Stat(filepath.Join(root, word))
					assert.NoError(t, err, "%s: %s", page, line)
				}
			}
		}
	}
	assert.Greater(t, seen, 60)
}

// commandLines are the single commands of a script: without comments, here documents, pipes and continuations.
func commandLines(script string) []string {
	var out []string
	end := ""
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if end != "" {
			if line == end {
				end = ""
			}
			continue
		}
		if m := regexp.MustCompile(`<<'?([A-Z]+)'?`).FindStringSubmatch(line); m != nil {
			end = m[1]
		}
		line = regexp.MustCompile(`(^|\s)#.*$|<<'?[A-Z]+'?|[<>]+ ?[^\s'"|]+`).ReplaceAllString(line, "$1")
		for _, part := range regexp.MustCompile(`\s*(?:&&|\|\||\||; | -- )\s*`).Split(line, -1) {
			if part = strings.Trim(strings.TrimSpace(part), "()…"); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// split splits a command into words, as a shell does where it is simple.
func split(line string) []string {
	var words []string
	for _, word := range regexp.MustCompile(`(?:[^\s'"]|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		words = append(words, strings.NewReplacer(`'`, "", `"`, "").Replace(word))
	}
	if len(words) == 0 {
		return []string{""}
	}
	return words
}

// checkCommand finds the command that words begin with, and its flags.
func checkCommand(t *testing.T, where string, tool tool, words []string) {
	t.Helper()
	var names, flags []string
	for i, word := range words {
		switch {
		case strings.HasPrefix(word, "-") && word != "-" && !strings.HasPrefix(word, "--help"):
			flag, _, _ := strings.Cut(word, "=")
			flags = append(flags, flag)
		case !strings.HasPrefix(word, "-") && (i == 0 || !strings.HasPrefix(words[i-1], "-") || strings.Contains(words[i-1], "=")):
			names = append(names, word)
		}
	}
	command, length := "", 0
	for i := range names {
		if _, ok := tool.flags[strings.Join(names[:i+1], " ")]; ok {
			command, length = strings.Join(names[:i+1], " "), i+1
		}
	}
	group := slices.ContainsFunc(slices.Collect(maps.Keys(tool.flags)), func(name string) bool { return strings.HasPrefix(name, command+" ") })
	if !assert.False(t, len(names) > length && (command == "" || group), "no such command: %s", where) {
		return
	}
	allowed := slices.Clone(tool.flags[""])
	for name := command; name != ""; {
		allowed = append(allowed, tool.flags[name]...)
		at := strings.LastIndex(name, " ")
		name = name[:max(at, 0)]
	}
	for _, flag := range flags {
		assert.Contains(t, allowed, flag, "%s has no such flag: %s", command, where)
	}
}

// TestFlags: flags and variables that a text names belong to a program.
func TestFlags(t *testing.T) {
	t.Parallel()
	own, err := ours()
	require.NoError(t, err)
	var flags, env []string
	for _, tool := range slices.Concat(slices.Collect(maps.Values(own)), slices.Collect(maps.Values(others))) {
		env = append(env, tool.env...)
		for _, some := range tool.flags {
			flags = append(flags, some...)
		}
	}
	for _, page := range append(slices.Clone(guides), "docs/repository.md", "docs/adding-a-system.md", "docs/architecture.md") {
		text := read(t, page)
		for _, span := range spans(text) {
			if m := regexp.MustCompile(`^--[a-z-]+`).FindString(span); m != "" {
				assert.Contains(t, flags, m, page)
			}
		}
		for _, name := range regexp.MustCompile(`\bKC_[A-Z_]+\b`).FindAllString(text, -1) {
			assert.Contains(t, env, name, page)
		}
	}
}

// chart is the connector of the examples.
var chart = sync.OnceValues(func() (*helm.Chart, error) {
	repo, err := addon.OpenRepository(root)
	if err != nil {
		return nil, err
	}
	a, err := repo.Load("c4c-connector-0.1.0")
	if err != nil {
		return nil, err
	}
	return helm.Load(a.Chart.All())
})

const form = `
system_url: https://my123456.crm.ondemand.com
basic_user: _KYMA
basic_password: example
application_name: c4c
cluster_domain: c-1a2b3c4.kyma.example.com
`

// render renders the release of the examples with more values.
func render(t *testing.T, more map[string]any) *helm.Rendered {
	t.Helper()
	c, err := chart()
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(form), &values))
	if credentials, ok := more["credentials"].(map[string]any); ok && credentials["existingSecret"] != nil {
		delete(values, "basic_password")
		keys, _ := credentials["keys"].(map[string]any)
		for name := range keys {
			delete(values, name)
		}
	}
	r, err := c.Render(helm.Request{
		Release: "my-c4c", Namespace: "c4c", Values: addon.MergeValues(values, more),
		Capabilities: helm.Capabilities{KubeVersion: "1.33.0"},
	})
	require.NoError(t, err)
	return r
}

// TestExampleValues: what a guide shows of values fits the chart, which renders with them; manifests are what Kubernetes takes in a
// namespace that is "restricted".
func TestExampleValues(t *testing.T) {
	t.Parallel()
	kubernetes := objects.New()
	n := 0
	for _, page := range guides {
		for _, block := range blocks(read(t, page), "yaml") {
			var m map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(block), &m), "%s: %s", page, block)
			n++
			if m["kind"] == nil {
				render(t, m)
				continue
			}
			for _, err := range kubernetes.Strict([]byte(block), m) {
				assert.Fail(t, page, "%v", err)
			}
			if m["kind"] == "Pod" {
				problems, err := kubernetes.Restricted([]byte(block), m)
				require.NoError(t, err)
				assert.Empty(t, problems, page)
			}
		}
	}
	assert.Greater(t, n, 12)
}

// TestNames: values, objects, metrics and alerts that the guides name are there.
func TestNames(t *testing.T) {
	t.Parallel()
	var defaults map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "charts/common/values.yaml")), &defaults))

	var rendered strings.Builder
	for _, more := range []map[string]any{
		{}, {"buffer": map[string]any{"type": "disk"}},
		{"buffer": map[string]any{"type": "jetstream", "jetstream": map[string]any{"url": "nats://nats:4222"}}},
		{"metrics": map[string]any{"alerts": map[string]any{"enabled": true}}},
	} {
		r := render(t, more)
		for _, m := range r.Manifests {
			rendered.Write(m.Content)
		}
		for _, h := range r.Hooks {
			rendered.Write(h.Content)
		}
	}
	objects := regexp.MustCompile(`\b[a-z0-9-]*my-c4c[a-z0-9-]*`).FindAllString(rendered.String(), -1)
	// Pods and claims of a StatefulSet, the second stream, and a Job of the reader's own.
	objects = append(objects, "my-c4c", "my-c4c-gateway-0", "my-c4c-gateway-1", "buffer-my-c4c-gateway-0", "buffer-my-c4c-gateway-1", "c4c-my-c4c-dead", "my-c4c-now")

	var source strings.Builder
	for _, pattern := range []string{"pkg/gateway/*.go", "pkg/gateway/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, file := range files {
			source.WriteString(read(t, file[len(root)+1:]))
		}
	}
	alerts := regexp.MustCompile(`\bConnector[A-Z]\w+`)
	there := alerts.FindAllString(read(t, "charts/common/templates/_alerts.tpl"), -1)

	values := regexp.MustCompile(`^([a-z]\w*)((?:\.[A-Za-z]\w*)+)(?:: .*)?$`)
	for _, page := range guides {
		text := read(t, page)
		for _, span := range spans(text) {
			m := values.FindStringSubmatch(span)
			if m == nil || defaults[m[1]] == nil {
				continue
			}
			assert.NoError(t, walk(defaults, m[1]+m[2]), page)
		}
		for _, name := range regexp.MustCompile(`\b[a-z0-9-]*my-c4c[a-z0-9-]*\b`).FindAllString(text, -1) {
			assert.Contains(t, objects, name, page)
		}
		for _, name := range regexp.MustCompile(`\bkyma_connectors_gateway_(\w+)`).FindAllStringSubmatch(text, -1) {
			assert.Contains(t, source.String(), `"`+name[1]+`"`, page)
		}
		for _, name := range alerts.FindAllString(text, -1) {
			assert.Contains(t, there, name, page)
		}
	}
	for _, name := range there {
		assert.Contains(t, read(t, "docs/operate.md"), "`"+name+"`", "an alert that nobody explains")
	}
}

// walk follows the path of a value. What an empty map holds is the reader's.
func walk(values map[string]any, at string) error {
	node := any(values)
	for _, key := range strings.Split(at, ".") {
		m, ok := node.(map[string]any)
		if !ok {
			data, _ := json.Marshal(node)
			return fmt.Errorf("%s: %s is below %s", at, key, data)
		}
		if len(m) == 0 {
			return nil
		}
		if node, ok = m[key]; !ok {
			return fmt.Errorf("there is no value %s", at)
		}
	}
	return nil
}

// TestFromADiskToJetStream: what operate.md says of the change holds: the pods that stay behind without their StatefulSet are reached by the
// same Service, under the same policies, while the pods of the Deployment start, and mount nothing that is gone.
func TestFromADiskToJetStream(t *testing.T) {
	t.Parallel()
	type object struct {
		Spec struct {
			Selector    map[string]any
			PodSelector map[string]any
			Template    struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct{ Volumes []map[string]any }
			}
		}
	}
	parts := func(more map[string]any) (map[string]object, map[string][]byte) {
		objects, raw := map[string]object{}, map[string][]byte{}
		for _, m := range render(t, more).Manifests {
			var o object
			if m.Name == "my-c4c-gateway" {
				require.NoError(t, yaml.Unmarshal(m.Content, &o))
			}
			objects[m.Kind+" "+m.Name], raw[m.Kind+" "+m.Name] = o, m.Content
		}
		return objects, raw
	}
	before, rawBefore := parts(map[string]any{"buffer": map[string]any{"type": "disk"}, "gateway": map[string]any{"replicas": 2}})
	after, rawAfter := parts(map[string]any{
		"buffer":  map[string]any{"type": "jetstream", "jetstream": map[string]any{"url": "nats://nats-0.nats.messaging:4222", "replicas": 3}},
		"gateway": map[string]any{"replicas": 3},
	})
	pods := before["StatefulSet my-c4c-gateway"].Spec.Template
	require.NotEmpty(t, pods.Metadata.Labels)
	require.Contains(t, after, "Deployment my-c4c-gateway")
	require.NotContains(t, after, "StatefulSet my-c4c-gateway")
	for key, value := range after["Service my-c4c-gateway"].Spec.Selector {
		assert.Equal(t, value, pods.Metadata.Labels[key])
	}
	labels, _ := after["NetworkPolicy my-c4c-gateway"].Spec.PodSelector["matchLabels"].(map[string]any)
	require.NotEmpty(t, labels)
	for key, value := range labels {
		assert.Equal(t, value, pods.Metadata.Labels[key])
	}
	for _, same := range []string{"Service my-c4c-gateway", "ServiceAccount my-c4c-gateway", "APIRule my-c4c-webhook", "ConfigMap my-c4c-config", "Secret my-c4c-credentials"} {
		require.NotEmpty(t, rawBefore[same], same)
		assert.Equal(t, string(rawBefore[same]), string(rawAfter[same]), same)
	}
}
