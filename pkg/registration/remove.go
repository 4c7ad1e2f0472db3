package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Removal is what a removal did. Its JSON is a contract: keys stay, more may follow.
type Removal struct {
	// OK says that nothing is left.
	OK          bool        `json:"ok"`
	Connector   string      `json:"connector"`
	Instance    string      `json:"instance"`
	Backend     string      `json:"backend"`
	Detected    []Detection `json:"detected"`
	Application string      `json:"application"`
	// Removed names what was removed, Left what could not be.
	Removed []string `json:"removed"`
	Left    []Left   `json:"left"`
}

// Left is something that could not be removed, and why.
type Left struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
	Next   string `json:"next,omitempty"`
}

// NewRemoval begins an empty report.
func NewRemoval(connector, instance string) *Removal {
	return &Removal{Connector: connector, Instance: instance, Detected: []Detection{}, Removed: []string{}, Left: []Left{}}
}

// Services removes every service of the installation, then the Application if this product made it and
// nothing is left in it. It goes on after a failure.
func (r *Removal) Services(ctx context.Context, c Catalog) {
	r.Backend = c.Name()
	current, err := c.List(ctx)
	if errors.Is(err, ErrNoApplication) {
		return
	}
	if err != nil {
		r.Failed("services of Application "+r.Application, err)
		return
	}
	var changes []Change
	for i := range current {
		if current[i].Labels[LabelInstance] == r.Instance {
			changes = append(changes, Change{Action: Delete, Registered: &current[i]})
		}
	}
	errs := c.Apply(ctx, changes)
	for i, change := range changes {
		what := "service " + change.Registered.DisplayName
		if i < len(errs) && errs[i] != nil {
			r.Failed(what, errs[i])
			continue
		}
		r.Removed = append(r.Removed, what)
	}
	owner, ok := c.(ApplicationOwner)
	if !ok || len(r.Left) > 0 {
		return
	}
	removed, err := owner.RemoveApplication(ctx)
	switch {
	case err != nil:
		r.Failed("Application "+r.Application, err)
	case removed:
		r.Removed = append(r.Removed, "Application "+r.Application)
	}
}

// Failed notes that something could not be removed.
func (r *Removal) Failed(what string, err error) {
	reason, next, _ := explain(err)
	r.Left = append(r.Left, Left{What: what, Reason: reason, Next: next})
}

// Done notes that something was removed.
func (r *Removal) Done(what string) { r.Removed = append(r.Removed, what) }

// Finish fills OK and takes secrets out of texts that others had a part in.
func (r *Removal) Finish(redact func(string) string) {
	r.OK = len(r.Left) == 0
	for i := range r.Left {
		r.Left[i].Reason, r.Left[i].Next = redact(r.Left[i].Reason), redact(r.Left[i].Next)
	}
}

// WriteJSON writes the report for machines.
func (r *Removal) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// WriteText writes the report for people.
func (r *Removal) WriteText(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(r.lines(), "\n")+"\n")
	return err
}

func (r *Removal) lines() []string {
	lines := []string{fmt.Sprintf("removed: %d, left: %d", len(r.Removed), len(r.Left))}
	for _, l := range r.Left {
		lines = append(lines, fmt.Sprintf("left: %s: %s", l.What, joinNext(l.Reason, l.Next)))
	}
	for _, d := range r.Detected {
		if d.What == DetectedRights {
			lines = append(lines, fmt.Sprintf("%s: %s (%s)", d.What, d.Value, d.Why))
		}
	}
	for _, what := range r.Removed {
		lines = append(lines, "removed: "+what)
	}
	return lines
}

// TerminationMessage says the result in at most 4096 bytes, what is left first.
func (r *Removal) TerminationMessage() string { return boundedLines(r.lines(), maxTermination) }

// Status is the content of the status ConfigMap, with the keys of a Report's.
func (r *Removal) Status() (map[string]string, error) {
	var text, machine strings.Builder
	if err := r.WriteText(&text); err != nil {
		return nil, err
	}
	if err := r.WriteJSON(&machine); err != nil {
		return nil, err
	}
	data := map[string]string{"summary": r.TerminationMessage(), "report": text.String(), "report.json": machine.String()}
	if text.Len()+machine.Len() > maxStatus {
		data["report"], data["report.json"] = data["summary"], fmt.Sprintf(`{"ok":%t}`, r.OK)
	}
	return data, nil
}
