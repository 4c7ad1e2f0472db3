package connector

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a definition or with a parameter.
type Problem struct {
	// Path is where: a YAML path such as deliveries[0].event.id, or `parameter "system_url"`.
	Path string
	// What is wrong, in words that never hold a secret.
	What string
	// Next is what to do about it. It may be empty where What says it all.
	Next string
}

// Error implements error: where, what, next step.
func (p Problem) Error() string {
	text := p.What
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Next != "" {
		text += "; " + p.Next
	}
	return text
}

// Problems reports everything that is wrong at once, so that it can be put right in one go.
type Problems []Problem

// Error implements error: the problem itself where there is one, a list otherwise.
func (ps Problems) Error() string {
	if len(ps) == 1 {
		return ps[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(ps))
	for _, p := range ps {
		b.WriteString("\n  - " + p.Error())
	}
	return b.String()
}

// err is nil where there is no problem: a nil Problems in an error interface would not be nil.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

func (ps *Problems) add(path, next, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, What: fmt.Sprintf(format, args...), Next: next})
}
