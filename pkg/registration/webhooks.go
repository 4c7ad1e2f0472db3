package registration

// WebhooksReport is what became of the webhooks at the system. Its JSON is a contract, as that of Report.
type WebhooksReport struct {
	Counts Counts `json:"counts"`
	// Writes is the number of webhooks that were made, changed or deleted, and of states that were kept.
	Writes int             `json:"writes"`
	Items  []WebhookReport `json:"items"`
	Notes  []string        `json:"notes"`

	// Planned is what Writes would be without a dry run.
	Planned int `json:"-"`
}

// WebhookReport is what became of one webhook, or of a section of the definition as a whole.
type WebhookReport struct {
	// Section is the name in the definition; empty where it has one section only.
	Section string `json:"section,omitempty"`
	// Name is what people call it.
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	// Class is the kind of reason, Reason says it in words and Next what to do.
	Class  Class  `json:"class,omitempty"`
	Reason string `json:"reason,omitempty"`
	Next   string `json:"next,omitempty"`
	// ID is the system's, Instance the discovered API that it belongs to.
	ID       string `json:"id,omitempty"`
	Instance string `json:"instance,omitempty"`
	// Topics are what it asks for, Types the event types that it brings.
	Topics []string `json:"topics,omitempty"`
	Types  []string `json:"types,omitempty"`
	// Callback is the address that the system calls, without a token.
	Callback string `json:"callback,omitempty"`
}

// count counts outcomes.
func (w *WebhooksReport) count() {
	w.Counts = Counts{}
	for _, item := range w.Items {
		w.Counts.add(item.Outcome)
	}
}

// AddWebhooks adds what became of webhooks, after what was added before.
func (r *Report) AddWebhooks(w *WebhooksReport) {
	if w == nil {
		return
	}
	if r.Webhooks == nil {
		r.Webhooks = &WebhooksReport{Items: []WebhookReport{}, Notes: []string{}}
	}
	r.Webhooks.Writes += w.Writes
	r.Webhooks.Items = append(r.Webhooks.Items, w.Items...)
	r.Webhooks.Notes = append(r.Webhooks.Notes, w.Notes...)
	r.Writes += w.Writes
	if r.PlannedWrites != nil {
		*r.PlannedWrites += w.Planned
	}
	r.Notes = append(r.Notes, w.Notes...)
	r.count()
}

func (r *Report) webhooks() []WebhookReport {
	if r.Webhooks == nil {
		return nil
	}
	return r.Webhooks.Items
}

// state is the report without what only this run did.
func (w *WebhooksReport) state() *WebhooksReport {
	if w == nil {
		return nil
	}
	out := &WebhooksReport{Items: []WebhookReport{}, Notes: []string{}}
	for _, item := range w.Items {
		if item.Outcome.active() {
			item.Outcome, item.Reason = OutcomeRegistered, ""
		}
		if item.Outcome != OutcomeDeleted {
			out.Items = append(out.Items, item)
		}
	}
	return out
}

// failures is the report without what succeeded, for a ConfigMap that is too small.
func (w *WebhooksReport) failures() *WebhooksReport {
	if w == nil {
		return nil
	}
	out := &WebhooksReport{Counts: w.Counts, Items: []WebhookReport{}, Notes: []string{}}
	for _, item := range w.Items {
		if item.Outcome == OutcomeFailed && len(out.Items) < maxFailures {
			out.Items = append(out.Items, item)
		}
	}
	return out
}
