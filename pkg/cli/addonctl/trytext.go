package addonctl

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox"
)

// tryText prints a trial for people: a line for each step when it is done, then a summary.
type tryText struct {
	c     *Context
	out   io.Writer
	shown bool  // the results are printed already
	err   error // the first failure to write
}

func newTryText(c *Context) *tryText { return &tryText{c: c, out: c.Streams.Out} }

func (t *tryText) print(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.out, format, args...)
	}
}

func (t *tryText) begin(trial *sandbox.Trial) {
	t.print("%s, plan %s, %s Kyma\n", trial.Addon, trial.Release.Plan, trial.Generation)
}

func (t *tryText) step(s sandbox.Step) {
	mark := "ok  "
	if !s.OK {
		mark = t.c.paint(red, "FAIL")
	}
	detail := strings.ReplaceAll(s.Detail, "\n", "\n         ")
	t.print("  %s %6.2fs  %-32s %s\n", mark, s.Seconds, s.Name, detail)
}

// results prints what the checks found.
func (t *tryText) results(r *sandbox.Report) {
	t.shown = true
	t.print("\n")
	if len(r.Samples) > 0 {
		t.samples(r.Samples)
	}
	a, e := r.APIs, r.Events
	t.print("APIs: %d registered, %d updated, %d unchanged, %d skipped, %d failed; second run: %d writes\n", a.Registered, a.Updated, a.Unchanged, a.Skipped, a.Failed, r.SecondRun.Writes)
	t.print("Deliveries: %d sent, %d accepted, %d duplicates, %d ignored, %d refused, %d rejected or malformed, %d unknown, %d dead letters; %d events delivered\n",
		e.Sent, e.Accepted, e.Duplicates, e.Ignored, e.Refused, e.Rejected+e.Malformed, e.Unknown, e.DeadLettered, e.Delivered)
}

func (t *tryText) end(r *sandbox.Report) error {
	if !t.shown {
		t.results(r)
	}
	if r.Dir != "" {
		t.print("Kept, secrets included: %s (logs: pods/*/logs)\n", r.Dir)
	}
	if r.OK {
		t.print("ok: everything is as it should be (%.1f s)\n", r.Seconds)
		return t.err
	}
	t.print("\nnot ok (%.1f s):\n", r.Seconds)
	for _, problem := range r.Problems {
		t.print("  - %s\n", strings.ReplaceAll(problem, "\n", "\n    "))
	}
	return t.err
}

func (t *tryText) samples(results []sandbox.SampleResult) {
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SAMPLE\tEXPECTED\tGOT\tSTATUS\tEVENTS\t")
	for _, r := range results {
		verdict := ""
		if !r.OK {
			verdict = "<- not as expected"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\n", r.Name, r.Expected, r.Actual, r.Status, r.Delivered, verdict)
	}
	if err := table.Flush(); err != nil && t.err == nil {
		t.err = err
	}
	t.print("\n")
}

// stayText says what can be done while the sandbox is up.
func stayText(w io.Writer, name string, r *sandbox.Running) {
	var b strings.Builder
	b.WriteString("\nThe sandbox is up. Interrupt it (Ctrl-C) to remove everything.\n")
	for _, d := range r.Deliveries {
		fmt.Fprintf(&b, "\nDeliveries (%s): %s\n  on this machine: %s\n", d.Name, d.URL, d.Local+d.Path)
		if len(r.Samples) > 0 {
			fmt.Fprintf(&b, "  send a sample:   addonctl send %s %s --url %s%s\n", name, r.Samples[0], d.Local, paramFlags(r.ParamsDirs))
		}
		if d.Curl != "" {
			fmt.Fprintf(&b, "  or your own:     %s\n", d.Curl)
		}
	}
	for _, api := range r.APIs {
		fmt.Fprintf(&b, "\nAPI %s, as a workload in the cluster calls it:\n  curl --proxy %s '%s'\n", api.API, r.Proxy, api.URL)
	}
	if len(r.Manual) > 0 {
		b.WriteString("\nWith the real system, somebody has to do this there:\n")
		for _, line := range r.Manual {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	fmt.Fprintf(&b, "\nThe cluster:    kubectl --kubeconfig %s get applications\nLogs:           %s/pods/*/logs\nAny other host: curl --proxy %s --cacert %s …\n", r.Kubeconfig, r.Dir, r.Proxy, r.CA)
	_, _ = io.WriteString(w, b.String()) // a conversation that nobody hears is none
}

func paramFlags(dirs []string) string {
	var b strings.Builder
	for _, dir := range dirs {
		b.WriteString(" --params " + dir)
	}
	return b.String()
}
