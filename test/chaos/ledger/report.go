package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report compares what was offered with what arrived. Figures count events, not attempts, unless they say so.
type Report struct {
	// Attempts are all offers, repetitions included.
	Attempts                                   int
	Offered, Acknowledged, Refused, Unanswered int
	Delivered, DeadLettered                    int
	// UnansweredArrived are those whose sender heard nothing and that arrived nevertheless.
	UnansweredArrived int
	// RefusedArrived were refused and arrived nevertheless: an attempt failed half-way. No harm, because the
	// sender repeats them.
	RefusedArrived int
	// Refusals count attempts by what the sender was told.
	Refusals map[string]int
	// Duplicates count arrivals after an event's first one, by reason.
	Duplicates map[string]int

	// Lost were acknowledged and are nowhere.
	Lost []string
	// Wrong arrived with another payload than the one that was offered.
	Wrong []string
	// Strangers arrived, or became dead letters, and were never offered.
	Strangers []string
	// Unexplained arrived again although nothing broke in between.
	Unexplained []string
}

// The reasons of duplicates.
const (
	// AfterBreak: the gateway or its store was killed between the two arrivals, before it could note the first.
	AfterBreak = "killed in between"
	// AfterFault: the target had taken the event and failed to say so, or nobody listened any more when it did.
	AfterFault = "the target's answer was lost"
)

// Report compares. dead are the ids of all dead letters.
func (l *Ledger) Report(t *Target, dead map[string]bool) Report {
	arrivals := t.Arrivals()
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Report{Attempts: l.attempts, Offered: len(l.offers), Refusals: maps.Clone(l.refusals), Duplicates: map[string]int{}}
	for id, o := range l.offers {
		at := len(arrivals[id]) > 0
		switch o.answer {
		case Acknowledged:
			r.Acknowledged++
			if !at && !dead[id] {
				r.Lost = append(r.Lost, id)
			}
		case Refused:
			r.Refused++
			if at {
				r.RefusedArrived++
			}
		case Unanswered:
			r.Unanswered++
			if at || dead[id] {
				r.UnansweredArrived++
			}
		}
	}
	for id, list := range arrivals {
		if _, known := l.offers[id]; !known && strings.HasPrefix(id, l.prefix+"-") {
			r.Strangers = append(r.Strangers, id)
			continue
		}
		r.Delivered++
		for i, a := range list {
			if !a.Intact {
				r.Wrong = append(r.Wrong, id)
			}
			if i == 0 {
				continue
			}
			switch before := list[i-1]; {
			case !before.Answered:
				r.Duplicates[AfterFault]++
			case before.Epoch != a.Epoch || before.Path != a.Path:
				r.Duplicates[AfterBreak]++
			default:
				r.Unexplained = append(r.Unexplained, fmt.Sprintf("%s %v", id, list))
			}
		}
	}
	for id := range dead {
		if _, known := l.offers[id]; known {
			r.DeadLettered++
		} else {
			r.Strangers = append(r.Strangers, id)
		}
	}
	for _, list := range [][]string{r.Lost, r.Wrong, r.Strangers, r.Unexplained} {
		slices.Sort(list)
	}
	return r
}

// Problem says what must not be; nil means that the books are right.
func (r Report) Problem() error {
	var wrong []string
	say := func(what string, ids []string) {
		if len(ids) > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s: %s", len(ids), what, strings.Join(ids[:min(len(ids), 10)], ", ")))
		}
	}
	say("acknowledged and lost", r.Lost)
	say("delivered with another payload", r.Wrong)
	say("delivered and never offered", r.Strangers)
	say("delivered again without a reason", r.Unexplained)
	if r.Offered != r.Acknowledged+r.Refused+r.Unanswered {
		wrong = append(wrong, "the books do not balance")
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(wrong, "; "))
}

// String is the report for people.
func (r Report) String() string {
	total := 0
	var why []string
	for _, reason := range []string{AfterBreak, AfterFault} {
		if n := r.Duplicates[reason]; n > 0 {
			why = append(why, fmt.Sprintf("%d %s", n, reason))
			total += n
		}
	}
	total += len(r.Unexplained)
	why = append(why, fmt.Sprintf("%d unexplained", len(r.Unexplained)))
	return fmt.Sprintf("offered %d (in %d attempts, refusals %v) = acknowledged %d + refused %d + unanswered %d (%d of them arrived); delivered %d, dead letters %d, duplicates %d (%s), wrong %d, lost %d",
		r.Offered, r.Attempts, r.Refusals, r.Acknowledged, r.Refused, r.Unanswered, r.UnansweredArrived, r.Delivered, r.DeadLettered, total, strings.Join(why, ", "), len(r.Wrong), len(r.Lost))
}
