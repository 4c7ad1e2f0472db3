package registration

import (
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Subscribed says who gets events of a type.
type Subscribed string

// The values of Subscribed.
const (
	SubscribedReady   Subscribed = "ready"   // a Subscription that is ready
	SubscribedPending Subscribed = "pending" // a Subscription that is not ready yet
	SubscribedNobody  Subscribed = "nobody"
)

// Verification is what verify found out about calls and events.
type Verification struct {
	// Called is the number of APIs that were called, ThroughGateway of those among them that were called through
	// Kyma's gateway, Answering of those that answer.
	Called         int `json:"called"`
	ThroughGateway int `json:"throughGateway"`
	Answering      int `json:"answering"`
	// Dropped are event types without a ready Subscription: Kyma takes their events, and drops them at once.
	Dropped []DroppedReport `json:"dropped"`
	// SubscriptionsUnknown says why Dropped is not known; empty where it is.
	SubscriptionsUnknown string `json:"subscriptionsUnknown,omitempty"`
}

// How it is known that events of a type arrive.
const (
	ArrivesByWebhook = "webhook" // a webhook at the system sends them
	ArrivesCounted   = "counted" // the event gateway has taken some since it was started
	ArrivesPerhaps   = "perhaps" // the catalog has them: what the system is set to send, only the system knows
)

// DroppedReport is an event type whose events would be dropped.
type DroppedReport struct {
	Type string `json:"type"`
	// Arrives says how it is known that they arrive.
	Arrives string `json:"arrives"`
	// Count is the number of events that the event gateway counted.
	Count int64 `json:"count,omitempty"`
	// Subscribed is SubscribedPending or SubscribedNobody.
	Subscribed Subscribed `json:"subscribed"`
}

func (v *Verification) add(c CallReport) {
	v.Called++
	if c.Via == ViaGateway {
		v.ThroughGateway++
	}
	if c.Answers {
		v.Answering++
	}
}

// AddSubscribed adds who gets which events, by full type, after AddWebhooks; a type that is left out nobody gets.
// Counted are the events that the event gateway has taken, by full type; nil where that is not known. It does
// nothing for a report that is none of verify.
func (r *Report) AddSubscribed(subscribed map[string]Subscribed, counted map[string]int64) {
	if r.Verified == nil {
		return
	}
	known := map[string]bool{}
	tell := func(full string) {
		known[full] = true
		who := subscribed[full]
		if who == "" {
			who = SubscribedNobody
		}
		arrives := r.arrives(full, counted)
		if who != SubscribedReady && arrives != "" {
			r.Verified.Dropped = append(r.Verified.Dropped, DroppedReport{Type: full, Arrives: arrives, Count: counted[full], Subscribed: who})
		}
	}
	r.Verified.Dropped = []DroppedReport{}
	for i := range r.Events {
		e := &r.Events[i]
		e.Subscribed = SubscribedNobody
		if who := subscribed[e.Type]; who != "" {
			e.Subscribed = who
		}
		tell(e.Type)
	}
	for _, w := range r.webhooks() {
		for _, full := range w.Types {
			if !known[full] {
				tell(full)
			}
		}
	}
	// What is certain comes first.
	slices.SortStableFunc(r.Verified.Dropped, func(a, b DroppedReport) int { return certainty(a.Arrives) - certainty(b.Arrives) })
}

func certainty(arrives string) int {
	return slices.Index([]string{ArrivesCounted, ArrivesByWebhook, ArrivesPerhaps}, arrives)
}

// arrives says how it is known that events of a type arrive; empty where they do not.
func (r *Report) arrives(full string, counted map[string]int64) string {
	if counted[full] > 0 {
		return ArrivesCounted
	}
	ours := false
	for _, w := range r.webhooks() {
		if !slices.Contains(w.Types, full) {
			continue
		}
		ours = true
		if w.Outcome.active() || w.Outcome == OutcomeLeft {
			return ArrivesByWebhook
		}
	}
	if ours {
		return "" // the webhook that would bring them is not there
	}
	return ArrivesPerhaps
}

// text says the result in a few words.
func (v *Verification) text() string {
	if v.Called == 0 {
		return "calls: none"
	}
	where := "through Kyma's gateway"
	switch v.ThroughGateway {
	case v.Called:
	case 0:
		where = "the system itself"
	default:
		where = strconv.Itoa(v.ThroughGateway) + " " + where
	}
	return fmt.Sprintf("calls: %d of %d answer (%s)", v.Answering, v.Called, where)
}

// verified tells which APIs answer, and which events would be dropped.
func (t *textWriter) verified(r *Report) {
	if r.Verified == nil {
		return
	}
	if r.Verified.Called > 0 {
		table := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
		rows := &textWriter{w: table, err: t.err}
		rows.line("ANSWER\tNAME\tCALLED")
		for _, s := range r.Services {
			if s.Call == nil {
				continue
			}
			rows.line("%s\t%s\t%s %s%s", s.Call.answer(), s.Name, s.Call.Method, s.Call.URL, map[Via]string{ViaSystem: " (the system itself)"}[s.Call.Via])
		}
		t.err = rows.err
		if err := table.Flush(); t.err == nil {
			t.err = err
		}
		t.line("")
		for _, s := range r.Services {
			if s.Call != nil && s.Call.Note != "" {
				t.line("note: %s: %s", s.Name, s.Call.Note)
			}
		}
	}
	if why := r.Verified.SubscriptionsUnknown; why != "" {
		t.line("Whether somebody subscribes to the events is not known: %s", why)
	}
	for _, group := range []struct{ arrives, title string }{
		{ArrivesCounted, "Events that arrived, and that no ready Subscription wants; Kyma drops them"},
		{ArrivesByWebhook, "Events that a webhook sends, and that no ready Subscription wants; Kyma drops them"},
		{ArrivesPerhaps, "Events that no ready Subscription wants; where the system sends them, Kyma drops them"},
	} {
		t.dropped(group.title, group.arrives, r.Verified.Dropped)
	}
}

func (t *textWriter) dropped(title, arrives string, dropped []DroppedReport) {
	var types []string
	for _, d := range dropped {
		if d.Arrives != arrives {
			continue
		}
		text := d.Type
		if d.Count > 0 {
			text += fmt.Sprintf(" (%d)", d.Count)
		}
		if d.Subscribed == SubscribedPending {
			text += " (a Subscription is not ready yet)"
		}
		types = append(types, text)
	}
	if len(types) == 0 {
		return
	}
	t.line("%s: %d", title, len(types))
	for _, text := range types {
		t.line("  %s", text)
	}
}

// answer is what came of the call, in one word or two.
func (c *CallReport) answer() string {
	switch {
	case c.Answers && c.Status == 0:
		return "yes"
	case c.Status == 0:
		return "none"
	case c.Answers:
		return strconv.Itoa(c.Status)
	}
	return fmt.Sprintf("%d (%s)", c.Status, c.FailedAt)
}
