package compat

import (
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxStates bounds how much is looked at to compare two patterns.
const maxStates = 5000

// narrower looks for a text that the one pattern takes and the other does not; an empty pattern takes everything. It is
// decided by walking through both at the same time, so what it says is sure; decided is false where a pattern uses
// what that cannot follow (word boundaries, lines), or would take too long.
func narrower(before, after string) (text string, found, decided bool) {
	b, ok := automatonOf(before)
	if !ok {
		return "", false, false
	}
	a, ok := automatonOf(after)
	if !ok {
		return "", false, false
	}
	type step struct {
		before, after state
		from          int
		by            rune
	}
	runes := representatives(b.program, a.program)
	todo := []step{{before: b.start(), after: a.start(), from: -1}}
	seen := map[string]bool{}
	for i := 0; i < len(todo); i++ {
		at := todo[i]
		if b.takes(at.before) && !a.takes(at.after) {
			var spelled []rune
			for j := i; todo[j].from >= 0; j = todo[j].from {
				spelled = append(spelled, todo[j].by)
			}
			slices.Reverse(spelled)
			return string(spelled), true, true
		}
		for _, r := range runes {
			next := step{before: b.after(at.before, r), after: a.after(at.after, r), from: i, by: r}
			key := next.before.key() + "|" + next.after.key()
			if seen[key] || next.after.matched { // whatever follows, the other takes it
				continue
			}
			if seen[key] = true; len(seen) > maxStates {
				return "", false, false
			}
			todo = append(todo, next)
		}
	}
	return "", false, true
}

// automaton finds a pattern in a text, one rune after the other.
type automaton struct{ program *syntax.Prog }

// state is how far the search for a pattern is: the instructions to go on with, before those that take no rune.
type state struct {
	at      []uint32
	begin   bool
	matched bool // what follows does not matter any more
}

func (s state) key() string {
	if s.matched {
		return "*"
	}
	var b strings.Builder
	for _, pc := range s.at {
		b.WriteString(strconv.FormatUint(uint64(pc), 36))
		b.WriteByte(' ')
	}
	b.WriteString(strconv.FormatBool(s.begin))
	return b.String()
}

func automatonOf(pattern string) (automaton, bool) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return automaton{}, false
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return automaton{}, false
	}
	for _, inst := range program.Inst {
		if inst.Op == syntax.InstEmptyWidth && syntax.EmptyOp(inst.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
			return automaton{}, false
		}
	}
	return automaton{program}, true
}

func (a automaton) start() state {
	s := state{at: []uint32{uint32(a.program.Start)}, begin: true}
	_, s.matched = a.follow(s, false)
	return s
}

// takes says whether a text that ends here is matched.
func (a automaton) takes(s state) bool {
	_, matched := a.follow(s, true)
	return s.matched || matched
}

// after is the state after one more rune. A match may begin anywhere.
func (a automaton) after(s state, r rune) state {
	if s.matched {
		return s
	}
	open, _ := a.follow(s, false)
	next := state{at: []uint32{uint32(a.program.Start)}}
	for _, pc := range open {
		if inst := &a.program.Inst[pc]; inst.MatchRune(r) {
			next.at = append(next.at, inst.Out)
		}
	}
	slices.Sort(next.at)
	next.at = slices.Compact(next.at)
	_, next.matched = a.follow(next, false)
	return next
}

// follow goes through what takes no rune: to the instructions that take one, and perhaps to a match.
func (a automaton) follow(s state, end bool) (open []uint32, matched bool) {
	var holds syntax.EmptyOp
	if s.begin {
		holds |= syntax.EmptyBeginText
	}
	if end {
		holds |= syntax.EmptyEndText
	}
	seen := map[uint32]bool{}
	for todo := slices.Clone(s.at); len(todo) > 0; {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &a.program.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^holds == 0 {
				todo = append(todo, inst.Out)
			}
		case syntax.InstMatch:
			matched = true
		case syntax.InstFail:
		default:
			open = append(open, pc)
		}
	}
	return open, matched
}

// representatives are runes of which every other one is treated as one of them: the first of each stretch that no
// instruction tells apart, or one that people can read.
func representatives(programs ...*syntax.Prog) []rune {
	bounds := []rune{0, '\n', '\n' + 1, 0xD800, 0xE000}
	for _, p := range programs {
		for _, inst := range p.Inst {
			if inst.Op != syntax.InstRune && inst.Op != syntax.InstRune1 {
				continue
			}
			for i, r := range inst.Rune {
				bounds = append(bounds, r+rune(i%2)) // pairs of the first and the last of a range
				if len(inst.Rune) == 1 {
					bounds = append(bounds, r+1)
					for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
						bounds = append(bounds, f, f+1)
					}
				}
			}
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	var out []rune
	for i, from := range bounds {
		to := rune(unicode.MaxRune + 1)
		if i+1 < len(bounds) {
			to = bounds[i+1]
		}
		if from > unicode.MaxRune || from == 0xD800 {
			continue
		}
		out = append(out, readable(from, to))
	}
	// What people would type comes first, so that examples look like it.
	slices.SortStableFunc(out, func(a, b rune) int { return rank(a) - rank(b) })
	return out
}

// readable is a rune from a stretch, a letter or digit where there is one.
func readable(from, to rune) rune {
	for _, r := range "ax0-" {
		if from <= r && r < to {
			return r
		}
	}
	for r := from; r < to && r < unicode.MaxASCII; r++ {
		if unicode.IsPrint(r) && r != ' ' {
			return r
		}
	}
	return from
}

func rank(r rune) int {
	switch {
	case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		return 0
	case r < unicode.MaxASCII && unicode.IsPrint(r):
		return 1
	default:
		return 2
	}
}
