package registration

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Bounds of the answer to a probe in bytes; $metadata is not held in memory.
const (
	maxProbeBody = 4 << 20
	maxMetadata  = 64 << 20
)

// prober asks the system which of its APIs are there.
type prober struct {
	definition *connector.Definition
	system     *system.Client
	log        *slog.Logger
	// parallel bounds the number of calls at the same time.
	parallel int
	// active, where it is set, is told at once of each API that is active; it is called by several goroutines.
	active func(probed)
}

// probed is what became of a candidate: active with the address that answered, or not.
type probed struct {
	*candidate
	address string
	found   finding
}

// survey is everything that the system says about its APIs.
type survey struct {
	apis []probed
	// listings are discoveries that did not read to the end, or whose listing is absent.
	listings []brokenListing
}

type brokenListing struct {
	name   string
	found  finding
	absent bool
}

// run lists and probes all APIs. It never fails as a whole: each API has a finding of its own.
func (p *prober) run(ctx context.Context) survey {
	var out survey
	apis := p.definition.APIs
	perAPI := make([][]*candidate, len(apis))
	listings := make([]*brokenListing, len(apis))
	each(p.parallel, len(apis), func(i int) {
		api := &apis[i]
		if api.Discover == nil {
			perAPI[i] = []*candidate{newCandidate(p.system, api, api.ID, p.system.Input())}
			return
		}
		if switchedOff(api, p.system.Input()) {
			return
		}
		found := p.discover(ctx, api)
		perAPI[i] = found.candidates
		if found.found.Class != ClassActive {
			listings[i] = &brokenListing{api.Discover.Get.Source(), found.found, found.absent}
		}
		p.log.Info("listed the system's APIs", "found", len(found.candidates))
	})
	for _, l := range listings {
		if l != nil {
			out.listings = append(out.listings, *l)
		}
	}
	candidates := slices.Concat(perAPI...)
	out.apis = make([]probed, len(candidates))
	each(p.parallel, len(candidates), func(i int) {
		out.apis[i] = p.probe(ctx, candidates[i])
		if p.active != nil && out.apis[i].found.OK() {
			p.active(out.apis[i])
		}
		p.log.Debug("probed", "api", candidates[i].id, "class", string(out.apis[i].found.Class))
	})
	p.again(ctx, out.apis)
	markDuplicates(out.apis)
	return out
}

// again gives those a second chance that did not answer in time, after all others had their turn: so they keep
// nobody waiting.
func (p *prober) again(ctx context.Context, apis []probed) {
	var slow []int
	for i := range apis {
		if apis[i].found.Slow {
			slow = append(slow, i)
		}
	}
	each(p.parallel, len(slow), func(i int) {
		if ctx.Err() != nil {
			return
		}
		if second := p.probe(ctx, apis[slow[i]].candidate); ctx.Err() == nil {
			apis[slow[i]] = second
		}
	})
}

// switchedOff says whether the parameters switch a whole discovery off.
func switchedOff(api *connector.API, in expression.Input) bool {
	if api.Enabled.Uses("item", "itemJSON", "index") {
		return false // that is a question for each item
	}
	enabled, err := api.Enabled.Bool(in, true)
	return err == nil && !enabled
}

// each calls do for 0 to n-1, at most parallel at a time, and waits.
func each(parallel, n int, do func(i int)) {
	indexes := make(chan int)
	var workers sync.WaitGroup
	for range min(max(parallel, 1), n) {
		workers.Go(func() {
			for i := range indexes {
				do(i)
			}
		})
	}
	for i := range n {
		indexes <- i
	}
	close(indexes)
	workers.Wait()
}

// markDuplicates lets the first of several APIs with one id stand.
func markDuplicates(apis []probed) {
	seen := map[string]bool{eventsID: true}
	for i := range apis {
		if id := apis[i].id; seen[id] {
			apis[i].found = system.Misconfigured("correct the definition", "another API has the id %q already", id)
		}
		seen[apis[i].id] = true
	}
}

// probe tries the addresses of a candidate one after the other and takes the first that answers. An
// address that gives no usable answer now ends the search: its place may not go to another one by chance.
func (p *prober) probe(ctx context.Context, c *candidate) probed {
	if c.found.Class != ClassActive {
		return probed{candidate: c, found: c.found}
	}
	var out probed
	for i, address := range c.addresses {
		f := p.probeAddress(ctx, c, address)
		if f.Class == ClassActive || f.Class == ClassUnreachable {
			return probed{c, address, f}
		}
		// What is wrong for good counts more than "not offered".
		if i == 0 || (out.found.Class == ClassDisabled && f.Class != ClassDisabled) {
			out = probed{c, address, f}
		}
	}
	return out
}

func (p *prober) probeAddress(ctx context.Context, c *candidate, address string) finding {
	call, f := newProbeCall(p.system, c, address)
	if f.Class != ClassActive {
		return f
	}
	answer, f := p.system.Do(ctx, c.auth, call.request, c.hints)
	if !f.OK() {
		return f
	}
	return call.judge(c, answer)
}

// probeCall is the call of a probe, without credentials.
type probeCall struct {
	request httpclient.Request
	want    []int // the statuses that mean success
	// sets and problem are what was read of $metadata.
	sets    int
	problem error
}

// newProbeCall makes the call by which an API at an address is probed.
func newProbeCall(s *system.Client, c *candidate, address string) (*probeCall, finding) {
	call := &probeCall{want: []int{http.StatusOK}}
	call.request = httpclient.Request{Method: http.MethodGet, URL: address, Header: http.Header{"Accept": {"application/json"}}, MaxBody: maxProbeBody, NotAgainAfterTimeout: true}
	probe := c.api.Probe
	if probe == nil {
		return call, finding{}
	}
	e := system.Evaluator{In: c.in}
	if probe.Metadata {
		call.request.URL, call.request.MaxBody = strings.TrimRight(address, "/")+"/$metadata", maxMetadata
		call.request.Header.Set("Accept", "application/xml")
		call.request.Consume = func(document io.Reader) { call.sets, call.problem = metadataSets(document) }
	}
	if probe.Method != "" {
		call.request.Method, call.request.Idempotent = probe.Method, true
	}
	for name, value := range probe.Headers {
		call.request.Header.Set(name, e.Text(value))
	}
	if len(probe.Status) > 0 {
		call.want = probe.Status
	}
	if probe.Path.IsSet() {
		resolved, err := s.Resolve(e.Text(probe.Path))
		if err != nil {
			return nil, system.Misconfigured("correct the definition", "the path of the probe: %v", err)
		}
		call.request.URL = resolved
	}
	if e.Err != nil {
		return nil, system.Misconfigured("correct the definition", "the probe cannot be evaluated: %v", e.Err)
	}
	return call, finding{}
}

// judge says whether an answer is what the probe expects.
func (call *probeCall) judge(c *candidate, answer *httpclient.Response) finding {
	request, want := call.request, call.want
	probe := c.api.Probe
	if probe == nil {
		probe = &connector.Probe{}
	}
	if probe.Expect.IsSet() && (len(probe.Status) == 0 || slices.Contains(want, answer.Status)) {
		return judgeExpectation(c, request, answer, want)
	}
	if f := system.JudgeStatus(request, answer, want, c.hints); f.Class != ClassActive {
		return f
	}
	if probe.Metadata {
		return judgeSets(request, answer, call.sets, call.problem, c.hints)
	}
	if c.api.Kind == connector.KindOData && !probe.Path.IsSet() && len(probe.Status) == 0 && request.Method == http.MethodGet {
		sets, err := entitySets(answer.Body)
		return judgeSets(request, answer, sets, err, c.hints)
	}
	if system.IsWebPage(answer.Body) {
		return finding{Class: ClassMalformed, Reason: system.Said(request, answer) + " with " + system.ErrWebPage.Error(), Next: "check " + c.hints.System + " and " + c.hints.Credentials}
	}
	return finding{}
}

// judgeExpectation asks the definition's own expression. An answer that it does not accept is judged as
// any other first.
func judgeExpectation(c *candidate, request httpclient.Request, answer *httpclient.Response, want []int) finding {
	in := c.in
	in.Status, in.Answer, in.Header = answer.Status, answer.Body, answer.Header
	met, err := c.api.Probe.Expect.Bool(in, false)
	if met && err == nil {
		return finding{}
	}
	if f := system.JudgeStatus(request, answer, want, c.hints); f.Class != ClassActive {
		return f
	}
	return finding{Class: ClassMalformed, Reason: system.Said(request, answer) + ", which is not what the definition expects", Next: "check " + c.hints.System + " and " + c.hints.Credentials}
}

// judgeSets wants a document that could be read, with at least one entity set.
func judgeSets(request httpclient.Request, answer *httpclient.Response, sets int, err error, h system.Hints) finding {
	switch {
	case err != nil:
		return finding{Class: ClassMalformed, Reason: fmt.Sprintf("%s with %v", system.Said(request, answer), err), Next: "check " + h.System + " and " + h.Credentials}
	case sets == 0:
		next := h.WhenDisabled
		if next == "" {
			next = "enable it in the system for this user"
		}
		return finding{Class: ClassDisabled, Reason: system.Said(request, answer) + " with a service that offers nothing", Next: next}
	}
	return finding{}
}
