package lint

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// maxSampleBody bounds what a packed body of a sample becomes.
const maxSampleBody = 16 << 20

// sampleRules send the recorded deliveries through the mapping.
func sampleRules() []Rule {
	return []Rule{
		{
			ID: "EVT009", Severity: Error, Suite: SuiteDefinition,
			Summary: "the mapping makes of each sample what its golden file says",
			Effect:  "what the gateway publishes is not what is promised, or the promise is out of date",
			Next:    "correct the mapping in files/connector.yaml, or the golden file",
			addon:   func(c *addonContext) []problem { return c.mapped().problems },
		},
		{
			ID: "EVT010", Severity: Info, Suite: SuiteDefinition,
			Summary: "the event catalog has each event type that the mapping makes of a sample",
			Effect:  "nobody knows of the type: it is not in the Application, and no Subscription is proposed for it",
			Next:    "add the type to the event catalog, or correct the mapping",
			addon:   func(c *addonContext) []problem { return c.mapped().foreign },
		},
	}
}

// mappedSamples is what comes of the samples.
type mappedSamples struct {
	problems []problem // what differs from the golden files
	foreign  []problem // types that the event catalog does not have
}

// readMapped maps each sample. It is empty where another rule says why that is not possible.
func readMapped(c *addonContext) *mappedSamples {
	out := &mappedSamples{}
	d, err := c.definition()
	if err != nil {
		return out
	}
	dir := c.parsed.Samples().FS()
	if data, _ := c.parsed.Samples().Read(paramsFile); addon.CheckYAML(data) != nil {
		return out
	}
	values, err := sample.Params(dir)
	if err != nil {
		return out
	}
	params, err := d.ResolveParams(values)
	if err != nil {
		return out
	}
	application, err := d.Application.Text(params.Input())
	if err != nil {
		return out
	}
	seen := map[string]string{} // id -> sample
	for _, name := range c.sampleNames() {
		s, err := sample.Read(dir, name)
		if err != nil {
			continue
		}
		at := func(suffix, format string, args ...any) problem {
			return problem{path: c.chartFile(path.Join(addon.SamplesDir, name+suffix)), message: fmt.Sprintf(format, args...)}
		}
		delivery := sample.Delivery(d, s.Request)
		if delivery == nil {
			out.problems = append(out.problems, at(requestSuffix, "no delivery of the definition takes %s %s", s.Request.Method, s.Request.Path()))
			continue
		}
		if s.Golden.Outcome == sample.Refused {
			continue // before it is mapped
		}
		m, err := mapping.New(d, delivery, params.Input())
		if err != nil {
			continue
		}
		in, err := deliveryOf(delivery, s.Request)
		if err != nil {
			out.problems = append(out.problems, at(requestSuffix, "%s", oneLine(err)))
			continue
		}
		got := m.Map(in)
		for _, what := range differs(s.Golden, got, application, seen) {
			out.problems = append(out.problems, at(goldenSuffix, "%s", what))
		}
		for _, e := range got.Events {
			seen[e.ID] = cmp.Or(seen[e.ID], name)
			if d.Events != nil && !slices.ContainsFunc(d.EventTypes(), func(t connector.EventType) bool { return t.FullType() == e.FullType() }) {
				out.foreign = append(out.foreign, at(requestSuffix, "becomes %s, which the event catalog does not have", e.FullType()))
			}
		}
	}
	out.foreign = unique(out.foreign)
	return out
}

// sampleNames are the names of the recorded requests, in the order in which they are sent.
func (c *addonContext) sampleNames() []string {
	_, files := c.parsed.Samples().Entries(".")
	var names []string
	for _, file := range files {
		if name, ok := strings.CutSuffix(file, requestSuffix); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// deliveryOf is what the gateway hands to the mapping of a recorded request.
func deliveryOf(d *connector.Delivery, r sample.Request) (mapping.Delivery, error) {
	in := mapping.Delivery{Header: r.Header, Body: r.Body, Topic: r.Header.Get("Mqtt-Topic")}
	if d.HTTP == nil {
		return in, nil
	}
	target, err := url.ParseRequestURI(r.Target)
	if err != nil {
		return in, err
	}
	in.Query = target.Query()
	if rest := strings.Trim(strings.TrimPrefix(r.Path(), d.HTTP.Path), "/"); rest != "" {
		in.Path = strings.Split(rest, "/")
		if d.Verify.TokenInPath() {
			in.Path = in.Path[1:]
		}
	}
	if strings.HasSuffix(strings.ToLower(r.Header.Get("Content-Encoding")), "gzip") {
		unpacked, err := gzip.NewReader(bytes.NewReader(r.Body))
		if err != nil {
			return in, fmt.Errorf("the body is no gzip: %w", err)
		}
		if in.Body, err = io.ReadAll(io.LimitReader(unpacked, maxSampleBody)); err != nil {
			return in, fmt.Errorf("the body is no gzip: %w", err)
		}
	}
	return in, nil
}

// differs says in what the result of a sample is not what is expected. seen are the ids of the samples before.
func differs(want sample.Golden, got mapping.Result, application string, seen map[string]string) []string {
	if want.Outcome == sample.Duplicate {
		for _, e := range got.Events {
			if seen[e.ID] == "" {
				return []string{fmt.Sprintf("outcome duplicate, and no sample before it has the id %q", e.ID)}
			}
		}
		if len(got.Events) == 0 {
			return []string{fmt.Sprintf("outcome duplicate, and the mapping makes no event: %s", outcomeOf(got))}
		}
		return nil
	}
	if want.Outcome != string(got.Outcome) {
		return []string{fmt.Sprintf("outcome %s, and the mapping says %s", want.Outcome, outcomeOf(got))}
	}
	if !strings.Contains(got.Reason, want.Reason) {
		return []string{fmt.Sprintf("the reason %q is not part of %q", want.Reason, got.Reason)}
	}
	if len(want.Events) != len(got.Events) {
		return []string{fmt.Sprintf("%d events, and the mapping makes %d", len(want.Events), len(got.Events))}
	}
	// Only events of one key keep their order.
	wanted, made := slices.Clone(want.Events), slices.Clone(got.Events)
	slices.SortStableFunc(wanted, func(a, b sample.Event) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(made, func(a, b event.Event) int { return strings.Compare(a.ID, b.ID) })
	var out []string
	for i, w := range wanted {
		e := made[i]
		if earlier := seen[e.ID]; earlier != "" {
			out = append(out, fmt.Sprintf("the id %q is that of %s before it: the outcome is duplicate", e.ID, earlier))
		}
		for _, field := range []struct{ name, want, got string }{
			{"id", w.ID, e.ID},
			{"type", event.Event{Type: w.Type, Version: cmp.Or(w.Version, mapping.DefaultVersion)}.FullType(), e.FullType()},
			{"source", cmp.Or(w.Source, application), cmp.Or(e.Source, application)},
			{"subject", w.Subject, e.Subject},
		} {
			if field.want != field.got {
				out = append(out, fmt.Sprintf("event %d: %s %q, and the mapping makes %q", i+1, field.name, field.want, field.got))
			}
		}
		if w.Time != "" {
			if at, err := time.Parse(time.RFC3339, w.Time); err != nil || !at.Equal(e.Time) {
				out = append(out, fmt.Sprintf("event %d: time %q, and the mapping makes %q", i+1, w.Time, e.Time.Format(time.RFC3339Nano)))
			}
		}
		if !sameJSON(orNull(w.Data), orNull(e.Data)) {
			out = append(out, fmt.Sprintf("event %d: the data differ from what the mapping makes", i+1))
		}
	}
	return out
}

func outcomeOf(r mapping.Result) string {
	if r.Reason == "" {
		return string(r.Outcome)
	}
	return fmt.Sprintf("%s (%s)", r.Outcome, r.Reason)
}

func orNull(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	return data
}
