package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/plainyaml"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// heads remembers what has been read of rendered documents: most are the same for every cluster that a chart is
// rendered for. It is safe for concurrent use.
type heads struct {
	mu    sync.Mutex
	known map[string]*headOf
	size  int
}

// headOf is a document that has been read.
type headOf struct {
	head    *releaseutil.SimpleHead
	content []byte
	object  any // see Manifest
	err     error
}

// maxRemembered bounds the documents that are remembered, in bytes.
const maxRemembered = 16 << 20

func (h *heads) read(document string) *headOf {
	h.mu.Lock()
	found, known := h.known[document]
	h.mu.Unlock()
	if known {
		return found
	}
	found = readHead(document)
	size := 4 * len(document)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.size += size; h.known == nil || h.size > maxRemembered {
		h.known, h.size = map[string]*headOf{}, size
	}
	h.known[document] = found
	return found
}

func readHead(document string) *headOf {
	out := &headOf{head: &releaseutil.SimpleHead{}, content: []byte(document)}
	if object, plain := plainyaml.Parse(document); plain {
		out.object = object
	} else {
		if out.err = safeyaml.Aliases(out.content); out.err != nil {
			return out
		}
		out.object = objectOf(out.content)
	}
	if out.object == nil || !jsonvalue.Fill(out.object, out.head) {
		// Helm's way is the one that counts: it takes the last of two keys, and a number for a text.
		*out.head = releaseutil.SimpleHead{}
		out.err = yaml.Unmarshal(out.content, out.head)
	}
	return out
}

// objectOf is what a document says, nil where that is wrong or where a number of it gets lost.
func objectOf(document []byte) (object any) {
	asJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil || json.Unmarshal(asJSON, &object) != nil {
		return nil
	}
	if again, err := json.Marshal(object); err != nil || !bytes.Equal(again, asJSON) {
		return nil
	}
	return object
}

// sort splits rendered files into documents, and sorts objects and hooks into the order in which Helm installs
// them. It does what releaseutil.SortManifests does, and reads each document once.
func (h *heads) sort(files map[string]string) (hooks []Hook, manifests []Manifest, err error) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		for _, document := range split(files[name]) {
			read := h.read(document)
			if read.err != nil {
				return nil, nil, fmt.Errorf("YAML parse error on %s: %w", name, read.err)
			}
			head := read.head
			m := Manifest{Source: name, APIVersion: head.Version, Kind: head.Kind, Content: read.content, Object: read.object}
			if head.Metadata != nil {
				m.Name = head.Metadata.Name
				if events, isHook := head.Metadata.Annotations[release.HookAnnotation]; isHook {
					if hook, known := hookOf(m, events, head.Metadata.Annotations); known {
						hooks = append(hooks, hook)
					}
					continue
				}
			}
			manifests = append(manifests, m)
		}
	}
	order := installOrder()
	slices.SortStableFunc(hooks, func(a, b Hook) int { return compareKinds(order, a.Kind, b.Kind) })
	slices.SortStableFunc(manifests, func(a, b Manifest) int { return compareKinds(order, a.Kind, b.Kind) })
	return hooks, manifests, nil
}

// installOrder is the place of each kind that Helm knows.
var installOrder = sync.OnceValue(func() map[string]int {
	order := map[string]int{}
	for i, kind := range releaseutil.InstallOrder {
		order[kind] = i
	}
	return order
})

// split splits a file where Helm does: at --- at the beginning of a line, with the blanks around it.
func split(file string) []string {
	rest := strings.TrimSpace(file)
	if rest == "" {
		return nil
	}
	var documents []string
	add := func(document string) {
		if document != "" {
			documents = append(documents, strings.TrimSpace(document))
		}
	}
	const blanks = "\t\n\f\r "
	if after, found := strings.CutPrefix(rest, "---"); found {
		rest = strings.TrimLeft(after, blanks)
	}
	for {
		before, after, found := strings.Cut(rest, "\n---")
		if !found {
			add(rest)
			return documents
		}
		add(strings.TrimRight(before, blanks))
		rest = strings.TrimLeft(after, blanks)
	}
}

// hookOf makes a hook of an object; known is false where Helm does not know what to make of it.
func hookOf(m Manifest, events string, annotations map[string]string) (hook Hook, known bool) {
	hook.Manifest = m
	for event := range strings.SplitSeq(events, ",") {
		event = strings.ToLower(strings.TrimSpace(event))
		if event == "test-success" { // of Helm 2
			event = release.HookTest.String()
		}
		if !slices.Contains(hookEvents(), release.HookEvent(event)) {
			return hook, false
		}
		hook.Events = append(hook.Events, event)
	}
	if weight, err := strconv.Atoi(annotations[release.HookWeightAnnotation]); err == nil {
		hook.Weight = weight
	}
	if policies, found := annotations[release.HookDeleteAnnotation]; found {
		for policy := range strings.SplitSeq(policies, ",") {
			hook.DeletePolicies = append(hook.DeletePolicies, strings.ToLower(strings.TrimSpace(policy)))
		}
	} else {
		hook.DeletePolicies = []string{string(release.HookBeforeHookCreation)}
	}
	return hook, true
}

func hookEvents() []release.HookEvent {
	return []release.HookEvent{
		release.HookPreInstall, release.HookPostInstall, release.HookPreDelete, release.HookPostDelete, release.HookPreUpgrade,
		release.HookPostUpgrade, release.HookPreRollback, release.HookPostRollback, release.HookTest,
	}
}

// compareKinds puts kinds in order; those that Helm does not know come last, by their names.
func compareKinds(order map[string]int, a, b string) int {
	first, knownA := order[a]
	second, knownB := order[b]
	switch {
	case !knownA && !knownB:
		return strings.Compare(a, b)
	case !knownA:
		return 1
	case !knownB:
		return -1
	}
	return first - second
}
