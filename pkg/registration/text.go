package registration

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// WriteJSON writes the report for machines.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error { return r.writeText(w, r.Summary()) }

func (r *Report) writeText(w io.Writer, summary string) error {
	t := &textWriter{w: w}
	t.line("Application %s, backend %s%s", r.Application, r.Backend, map[bool]string{true: " (nothing is written)"}[r.DryRun])
	for _, d := range r.Detected {
		t.line("  %s: %s (%s)", d.What, d.Value, d.Why)
	}
	t.line("")
	t.services(r.Services)
	t.webhooks(r.webhooks())
	t.verified(r)
	t.line("%s", summary)
	if r.Caches != nil {
		t.line("caches: %s", r.Caches.Text)
	}
	for _, note := range r.Notes {
		t.line("note: %s", note)
	}
	if r.Error != "" || r.Verified != nil {
		return t.err // first things first, and verify answers one question
	}
	t.events(r.Events)
	t.relays(r.Relays)
	for _, m := range r.Manual {
		t.line("")
		t.line("To do by hand: %s", m.Title)
		for i, step := range m.Steps {
			t.line("  %d. %s", i+1, step)
		}
	}
	return t.err
}

// Summary says the result in one line.
func (r *Report) Summary() string {
	if r.Error != "" {
		return r.state()
	}
	if r.PlannedWrites != nil {
		return fmt.Sprintf("planned: %s; planned writes: %d (nothing was written)", r.state(), *r.PlannedWrites)
	}
	return fmt.Sprintf("%s; writes: %d", r.state(), r.Writes)
}

// state is the summary without what only this run did.
func (r *Report) state() string {
	if r.Error != "" {
		return "stopped: " + joinNext(r.Error, r.Next)
	}
	state := "APIs: " + r.APIs.text()
	if r.NotRegistered != nil {
		state += "; nothing is registered, because " + joinNext(r.NotRegistered.Reason, r.NotRegistered.Next)
	}
	if r.Webhooks != nil {
		state += "; webhooks: " + r.Webhooks.Counts.text()
	}
	if r.Verified != nil {
		state += "; " + r.Verified.text()
	}
	return state
}

func (c Counts) text() string {
	parts := []string{}
	for _, p := range []struct {
		n    int
		what string
	}{{c.Registered, "registered"}, {c.Updated, "updated"}, {c.Unchanged, "unchanged"}, {c.Skipped, "skipped"}, {c.Failed, "failed"}, {c.Deleted, "deleted"}, {c.Left, "left"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	return strings.Join(parts, ", ")
}

type textWriter struct {
	w   io.Writer
	err error
}

func (t *textWriter) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *textWriter) services(services []ServiceReport) {
	table := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	rows := &textWriter{w: table}
	rows.line("OUTCOME\tNAME\tCALL IT BY")
	for _, s := range services {
		url := s.URL
		if url == "" {
			url = "-"
		}
		rows.line("%s\t%s\t%s", s.Outcome, s.Name, url)
	}
	if t.err == nil {
		t.err = rows.err
	}
	if err := table.Flush(); t.err == nil {
		t.err = err
	}
	t.line("")
	for _, s := range services {
		if s.Reason != "" {
			t.line("%s: %s: %s", s.Outcome, s.Name, joinNext(s.Reason, s.Next))
		}
		if s.Note != "" {
			t.line("note: %s: %s", s.Name, s.Note)
		}
	}
}

func (t *textWriter) webhooks(webhooks []WebhookReport) {
	if len(webhooks) == 0 {
		return
	}
	table := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	rows := &textWriter{w: table}
	rows.line("OUTCOME\tWEBHOOK\tTHE SYSTEM CALLS")
	for _, w := range webhooks {
		callback := w.Callback
		if callback == "" {
			callback = "-"
		}
		rows.line("%s\t%s\t%s", w.Outcome, w.Name, callback)
	}
	if t.err == nil {
		t.err = rows.err
	}
	if err := table.Flush(); t.err == nil {
		t.err = err
	}
	t.line("")
	for _, w := range webhooks {
		if w.Reason != "" {
			t.line("%s: %s: %s", w.Outcome, w.Name, joinNext(w.Reason, w.Next))
		}
	}
}

func (t *textWriter) events(events []EventReport) {
	if len(events) == 0 {
		return
	}
	t.line("")
	t.line("Event types: %d. To receive one, apply what subscribes to it, with a Service of your own as the receiver:", len(events))
	for _, e := range events {
		t.line("---")
		text, err := yaml.Marshal(e.Subscription)
		if err != nil && t.err == nil {
			t.err = err
		}
		t.line("%s", strings.TrimSpace(string(text)))
	}
}

func (t *textWriter) relays(relays []RelayReport) {
	for _, r := range relays {
		t.line("")
		if len(r.Types) == 0 {
			t.line("Relay %s: sends nothing to the system, because no event types are given", r.Name)
			continue
		}
		t.line("Relay %s: sends to the system what Kyma brings from %s: %s", r.Name, r.Source, strings.Join(r.Types, ", "))
		if !r.Yours {
			t.line("  A Subscription brings it to %s; the chart makes it, unless relay.subscription says otherwise (--output json has it)", r.Sink)
			continue
		}
		t.line("To do by hand: apply this Subscription (the chart makes it only on Kyma since 2.12, or where relay.subscription says so)")
		t.yaml(r.Subscription)
	}
}

func (t *textWriter) yaml(document any) {
	text, err := yaml.Marshal(document)
	if err != nil && t.err == nil {
		t.err = err
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		t.line("  %s", line)
	}
}

func joinNext(reason, next string) string {
	if next == "" {
		return reason
	}
	return reason + " (next: " + next + ")"
}

// maxTermination is what Kubernetes keeps of a termination message.
const maxTermination = 4096

// TerminationMessage says the result in at most 4096 bytes, the most important first: the summary, what failed, what
// was skipped, what can be called and how, and how to subscribe to the events.
func (r *Report) TerminationMessage() string { return r.short(r.Summary()) }

func (r *Report) short(summary string) string {
	lines := []string{summary}
	for _, outcome := range []Outcome{OutcomeFailed, OutcomeSkipped, OutcomeLeft} {
		for _, s := range r.Services {
			if s.Outcome == outcome {
				lines = append(lines, fmt.Sprintf("%s: %s: %s", s.Outcome, s.Name, joinNext(s.Reason, s.Next)))
			}
		}
		for _, w := range r.webhooks() {
			if w.Outcome == outcome {
				lines = append(lines, fmt.Sprintf("%s: webhook %s: %s", w.Outcome, w.Name, joinNext(w.Reason, w.Next)))
			}
		}
	}
	if r.Error == "" {
		lines = append(lines, r.callable()...)
	}
	return boundedLines(lines, maxTermination)
}

// callable are lines about what workloads can use.
func (r *Report) callable() []string {
	var lines []string
	for _, s := range r.Services {
		if s.Outcome.active() && s.URL != "" {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", s.Outcome, s.Name, s.URL))
		}
	}
	if r.Caches != nil {
		lines = append(lines, "caches: "+r.Caches.Text)
	}
	for _, e := range r.Events {
		if manifest, err := json.Marshal(e.Subscription); err == nil {
			lines = append(lines, fmt.Sprintf("event %s: %s", e.Type, manifest))
		}
	}
	return lines
}

// boundedLines joins lines as long as they fit into limit bytes.
func boundedLines(lines []string, limit int) string {
	const more = "…\n"
	var b strings.Builder
	for _, line := range lines {
		if b.Len()+len(line)+1 > limit-len(more) {
			b.WriteString(more)
			break
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// maxStatus bounds a report in a ConfigMap, which holds at most 1 MiB.
const maxStatus = 768 << 10

// Status is the content of the status ConfigMap: "summary" in a few lines, "report" for people and
// "report.json" for machines. It tells a state, not what the last run did, so that a run that changes nothing
// leaves it as it is.
func (r *Report) Status() (map[string]string, error) {
	status := *r
	status.Writes, status.Notes = 0, []string{}
	status.Services = []ServiceReport{}
	for _, s := range r.Services {
		switch {
		case s.Outcome.active():
			s.Outcome, s.Reason = OutcomeRegistered, ""
		case s.Outcome == OutcomeDeleted && s.kept == nil:
			continue
		case s.Outcome == OutcomeDeleted:
			s.Outcome, s.Reason = s.kept.Outcome, s.kept.Reason
		}
		status.Services = append(status.Services, s)
	}
	status.Webhooks = r.Webhooks.state()
	status.count()
	data, err := status.statusData()
	if err != nil || len(data["report"])+len(data["report.json"]) <= maxStatus {
		return data, err
	}
	failures := []ServiceReport{}
	for _, s := range status.Services {
		if s.Outcome == OutcomeFailed && len(failures) < maxFailures {
			failures = append(failures, s)
		}
	}
	status.Services, status.Events, status.Webhooks = failures, []EventReport{}, status.Webhooks.failures()
	status.Notes = []string{"the report is too large to be kept: only failures are listed"}
	return status.statusData()
}

// maxFailures bounds the failures in a report that is too large otherwise.
const maxFailures = 500

func (r *Report) statusData() (map[string]string, error) {
	var text, machine strings.Builder
	if err := r.writeText(&text, r.state()); err != nil {
		return nil, err
	}
	if err := r.WriteJSON(&machine); err != nil {
		return nil, err
	}
	return map[string]string{"summary": r.short(r.state()), "report": text.String(), "report.json": machine.String()}, nil
}
