// Package doctor reads repositories of add-ons as Helm Broker does and says what the broker would make of a
// configuration resource that names them: one add-on that cannot be loaded is enough to lose all of them.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
)

// maxEntries bounds the versions that an index may list.
const maxEntries = 2000

// Phase is what becomes of the whole resource.
type Phase string

// The phases. Crash is none of the broker's own: its controller stops, for every resource of the cluster.
const (
	Ready  Phase = "Ready"
	Failed Phase = "Failed"
	Crash  Phase = "Crash"
)

// The reasons that Helm Broker writes into the status of a resource.
const (
	FetchingIndexError  = "FetchingIndexError"
	FetchingError       = "FetchingError"
	LoadingError        = "LoadingError"
	RegisteringError    = "RegisteringError"
	ConflictInSpecified = "ConflictInSpecifiedRepositories"
)

// Addon is one entry of an index.
type Addon struct {
	Key     string `json:"key"`
	Version string `json:"version"`
	// Name and ID are those of the add-on's meta.yaml, where it could be loaded.
	Name string `json:"name,omitempty"`
	ID   string `json:"id,omitempty"`
	// Status is Ready, Failed, or Crash.
	Status Phase `json:"status"`
	// Reason and Problem say why it is not Ready.
	Reason  string `json:"reason,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Effect says what that does to the resource.
	Effect string `json:"effect"`
	// Notes are about what loads, and then fails users.
	Notes []string `json:"notes,omitempty"`

	loaded *addon.Addon
}

// Repository is one repository of the resource.
type Repository struct {
	URL     string  `json:"url"`
	Status  Phase   `json:"status"`
	Reason  string  `json:"reason,omitempty"`
	Problem string  `json:"problem,omitempty"`
	Addons  []Addon `json:"addons"`
	// Notes are about the repository as a whole.
	Notes []string `json:"notes,omitempty"`
}

// Report is what would become of the resource.
type Report struct {
	Phase Phase `json:"phase"`
	// Registered counts the add-ons that the catalog would show, of Listed.
	Registered int `json:"registered"`
	Listed     int `json:"listed"`
	// Retried says that the broker tries again by itself; EarlierKept that add-ons of an earlier, ready state of the
	// resource stay in the catalog.
	Retried      bool         `json:"retried"`
	EarlierKept  bool         `json:"earlierKept"`
	Summary      string       `json:"summary"`
	Repositories []Repository `json:"repositories"`
}

// Notes says whether something loads that will fail users.
func (r *Report) Notes() bool {
	return slices.ContainsFunc(r.Repositories, func(repository Repository) bool {
		return len(repository.Notes) > 0 || slices.ContainsFunc(repository.Addons, func(a Addon) bool { return len(a.Notes) > 0 })
	})
}

// Examine reads the repositories of one resource. An error means that the context ended.
func Examine(ctx context.Context, locations []*source.Location, options source.Options) (*Report, error) {
	r := &Report{Phase: Ready, EarlierKept: true}
	for _, l := range locations {
		r.Repositories = append(r.Repositories, repository(ctx, l, options))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	r.conflicts()
	r.judge()
	return r, nil
}

// repository reads one repository.
func repository(ctx context.Context, l *source.Location, options source.Options) Repository {
	out := Repository{URL: l.Shown(), Status: Ready, Addons: []Addon{}}
	if l.Getter == source.HTTP {
		out.Notes = append(out.Notes, "Helm Broker reads http addresses only in its development mode; serve by https")
	}
	if (l.Getter == source.HTTP || l.Getter == source.HTTPS) && strings.Contains(l.Address, "?") {
		out.Notes = append(out.Notes, "the query of the address goes to the index only: Helm Broker fetches the archives without it")
	}
	fail := func(err error) Repository {
		out.Status, out.Reason, out.Problem = Failed, FetchingIndexError, err.Error()
		return out
	}
	opened, err := source.Open(ctx, l, options)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = opened.Close() }() // a directory that stays behind does not change what was found
	data, err := opened.Index(ctx)
	if err != nil {
		return fail(err)
	}
	index, err := parseIndex(data)
	if err != nil {
		return fail(err)
	}
	listed := 0
	for _, key := range slices.Sorted(maps.Keys(index.Entries)) {
		for _, e := range index.Entries[key] {
			if listed++; listed > maxEntries {
				return fail(fmt.Errorf("the index lists more than %d versions", maxEntries))
			}
			out.Addons = append(out.Addons, entry(ctx, opened, key, e))
		}
	}
	if listed == 0 {
		out.Notes = append(out.Notes, "the index lists no add-on")
	}
	return out
}

// rawIndex is an index as Helm Broker reads it.
type rawIndex struct {
	Entries map[string][]rawEntry `json:"entries"`
}

type rawEntry struct {
	Version string `json:"version"`
}

func parseIndex(data []byte) (*rawIndex, error) {
	var index rawIndex
	if err := yaml.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("the index cannot be read: %w; want entries: with a list of versions for each add-on", err)
	}
	return &index, nil
}

// entry loads one entry of an index.
func entry(ctx context.Context, from source.Repository, key string, e rawEntry) Addon {
	out := Addon{Key: key, Version: e.Version, Status: Ready, Effect: "is registered"}
	fail := func(reason, format string, args ...any) Addon {
		out.Status, out.Reason, out.Problem = Failed, reason, fmt.Sprintf(format, args...)
		out.Effect = "fails the whole resource: none of its add-ons is registered"
		return out
	}
	if _, err := semver.NewVersion(e.Version); err != nil {
		out.Status, out.Reason = Crash, "panic"
		out.Problem = fmt.Sprintf("the version %q of the index is none; write three numbers in quotes such as \"1.2.3\"", e.Version)
		out.Effect = "stops the broker's controller, again and again, for every resource of the cluster"
		return out
	}
	if strings.Contains(key, "..") || path.IsAbs(key) {
		return fail(LoadingError, "the key %q leads out of the repository; use the name of the add-on", key)
	}
	tree, err := from.Addon(ctx, key, e.Version)
	var missing *source.NotFetched
	switch {
	case errors.As(err, &missing):
		return fail(FetchingError, "%v", err)
	case err != nil:
		return fail(LoadingError, "%v", err)
	}
	a, err := addon.ParseEntry(path.Base(key), e.Version, tree)
	if err != nil {
		return fail(LoadingError, "%s", strings.Join(strings.Split(err.Error(), "\n"), "; "))
	}
	out.Name, out.ID, out.loaded = a.Meta.Name, a.Meta.ID, a
	if err := loadable(a); err != nil {
		return fail(LoadingError, "%v", err)
	}
	out.Notes = notes(a)
	if lost := unstorable(a); lost != "" {
		out.Status, out.Reason, out.Problem = Failed, RegisteringError, lost
		out.Effect = "is left out of the catalog, although the resource says Ready"
	}
	return out
}

// loadable is what Helm Broker checks besides the layout: forms that fit its Go type, and a chart that Helm loads.
func loadable(a *addon.Addon) error {
	for _, p := range a.Plans {
		for _, name := range []string{addon.CreateSchema, addon.UpdateSchema, addon.BindSchema} {
			file := path.Join(addon.PlansDir, p.Dir, name)
			data, found := a.Tree.Read(file)
			if !found {
				continue
			}
			if len(data) >= addon.MaxSchema {
				return fmt.Errorf("%s: %d bytes; Helm Broker takes less than %d", file, len(data), addon.MaxSchema)
			}
			if err := form.CheckLoad(data); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if _, err := helm.Load(a.Chart.All()); err != nil {
		return fmt.Errorf("%s/%s: %w", addon.ChartDir, a.ChartName, err)
	}
	return nil
}

// unstorable names what of the forms the broker's storage cannot keep.
func unstorable(a *addon.Addon) string {
	for _, p := range a.Plans {
		if len(p.CreateSchema) == 0 {
			continue
		}
		if found, err := form.Unstorable(p.CreateSchema); err == nil && len(found) > 0 {
			return fmt.Sprintf("%s/%s/%s: %s holds a list, which the broker's storage cannot keep; write texts or numbers", addon.PlansDir, p.Dir, addon.CreateSchema, found[0])
		}
	}
	return ""
}

// notes are about what loads, and then fails users: plans that do not render, versions and names that mislead.
func notes(a *addon.Addon) []string {
	var out []string
	if a.Meta.Name != a.Key || a.Meta.Version != a.Version {
		out = append(out, fmt.Sprintf("the index says %s %s, the add-on itself %s %s; the catalog shows the latter", a.Key, a.Version, a.Meta.Name, a.Meta.Version))
	}
	ids := map[string]bool{}
	for _, p := range a.Plans {
		if ids[p.Meta.ID] {
			out = append(out, fmt.Sprintf("plan %s has the id of another plan, so the catalog shows one of them only", p.Meta.Name))
		}
		ids[p.Meta.ID] = true
		if len(p.CreateSchema) > 0 {
			if lost, err := form.Lost(p.CreateSchema); err == nil && len(lost) > 0 {
				out = append(out, fmt.Sprintf("plan %s: the form loses %s on its way through the broker", p.Meta.Name, strings.Join(lost, ", ")))
			}
		}
		if why := renders(a, p); why != "" {
			out = append(out, fmt.Sprintf("plan %s: every instance would fail: %s", p.Meta.Name, why))
		}
	}
	return out
}

// renders says why a plan does not render with the smallest parameters that its form takes.
func renders(a *addon.Addon, p addon.Plan) string {
	var parameters map[string]any
	if len(p.CreateSchema) > 0 {
		schema, err := form.Parse(p.CreateSchema)
		if err != nil {
			return err.Error()
		}
		if parameters, err = schema.Sample(); err != nil {
			return "" // users may know better values than a program
		}
	}
	if _, err := provision.Render(a, provision.Request{Plan: p.Dir, Parameters: parameters, Release: "hb-release"}); err != nil {
		return strings.Join(strings.Fields(err.Error()), " ")
	}
	return ""
}

// conflicts finds what the add-ons of all repositories do to each other.
func (r *Report) conflicts() {
	ids, names, charts := map[string]*Addon{}, map[string]*Addon{}, map[string]*Addon{}
	for i := range r.Repositories {
		for n := range r.Repositories[i].Addons {
			a := &r.Repositories[i].Addons[n]
			if a.loaded == nil || a.Status == Failed && a.Reason != RegisteringError {
				continue
			}
			if other, taken := ids[a.ID]; taken {
				a.Status, a.Reason = Failed, ConflictInSpecified
				a.Problem = fmt.Sprintf("has the same id as %s %s (%s); give one of them another id, or list one version only", other.Key, other.Version, a.ID)
				a.Effect = "fails the whole resource: none of its add-ons is registered"
				continue
			}
			ids[a.ID] = a
			if other, taken := names[a.Name]; taken {
				a.Notes = append(a.Notes, fmt.Sprintf("has the same name as %s %s: the Service Catalog finds neither by it", other.Key, other.Version))
			}
			names[a.Name] = a
			chart := chartID(a.loaded)
			if other, taken := charts[chart]; taken && !sameChart(a.loaded, other.loaded) {
				a.Notes = append(a.Notes, fmt.Sprintf("its chart %s is another one than that of %s %s, and the broker keeps only one of that name and version", chart, other.Key, other.Version))
			}
			charts[chart] = a
		}
	}
}

func chartID(a *addon.Addon) string {
	var meta struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	data, _ := a.Chart.Read("Chart.yaml")
	if yaml.Unmarshal(data, &meta) != nil {
		return a.ChartName
	}
	return meta.Name + " " + meta.Version
}

func sameChart(a, b *addon.Addon) bool {
	one, errA := addon.Pack(a.Chart, "")
	other, errB := addon.Pack(b.Chart, "")
	return errA == nil && errB == nil && addon.Digest(one) == addon.Digest(other)
}

// judge works out what becomes of the resource.
func (r *Report) judge() {
	crash, index, left, failed := false, false, 0, 0
	for _, repository := range r.Repositories {
		index = index || repository.Status == Failed
		for _, a := range repository.Addons {
			r.Listed++
			switch {
			case a.Status == Crash:
				crash = true
			case a.Reason == RegisteringError:
				left++
			case a.Status == Failed:
				failed++
			default:
				r.Registered++
			}
		}
	}
	switch {
	case crash:
		r.Phase, r.Registered = Crash, 0
		r.Summary = "the broker's controller stops and starts over for ever, and no resource of the cluster is worked on until the index is right"
	case index || failed > 0:
		r.Phase, r.Registered = Failed, 0
		// A broker that cannot read an index tries again, and until then leaves things as they are.
		r.Retried, r.EarlierKept = index, index && failed == 0
		r.Summary = fmt.Sprintf("the resource fails as a whole: none of its %d add-ons is registered", r.Listed)
		if r.EarlierKept {
			r.Summary += "; those of an earlier state stay"
		} else {
			r.Summary += "; those of an earlier state are removed"
		}
		if r.Retried {
			r.Summary += "; the broker tries again by itself"
		} else {
			r.Summary += "; the broker tries again only when spec.reprocessRequest is raised or the resource changes"
		}
	case left > 0:
		r.Summary = fmt.Sprintf("the resource says Ready, and %d of its %d add-ons are missing in the catalog", left, r.Listed)
	default:
		r.Summary = fmt.Sprintf("the resource becomes Ready: all of its %d add-ons are registered", r.Listed)
	}
}
