package compat

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPatternsAreCompared(t *testing.T) {
	t.Parallel()
	tests := []struct {
		before, after string
		found         bool
		text          string
	}{
		{`^[a-z]+$`, `^[a-z0-9]+$`, false, ""},
		{`^[a-z0-9]+$`, `^[a-z]+$`, true, "0"},
		{`^https://[^\s/]+$`, `^https?://[^\s/]+$`, false, ""},
		{`^https?://x$`, `^https://x$`, true, "http://x"},
		{`^(a|b)$`, `^[ab]$`, false, ""},
		{`^.{1,10}$`, `^.{1,255}$`, false, ""},
		{`^.{1,255}$`, `^.{1,3}$`, true, "aaaa"},
		{`^(?:\S.{0,119})$`, `^(?:\S.{0,254})$`, false, ""},
		{`abc`, `b`, false, ""},
		{`b`, `abc`, true, "b"},
		{``, `^.+$`, true, ""},
		{``, `.*`, false, ""},
		{`^a*$`, ``, false, ""},
		{`^(?i)ab$`, `^[aA][bB]$`, false, ""},
		{`^[aA][bB]$`, `^(?i)ab$`, false, ""},
		{`^[a-z]$`, `^(?i)[A-Z]$`, false, ""},
		{`^a.c$`, `^a[^\n]c$`, false, ""},
		{`^(a*)*$`, `^a*$`, false, ""},
		{`^$`, `^a?$`, false, ""},
		{`^a$|^b$`, `^a$`, true, "b"},
		{`x$`, `^`, false, ""},
		{`^[^a]$`, `^[^ab]$`, true, "b"},
		{`^é$`, `^[à-ü]$`, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.before+" "+tt.after, func(t *testing.T) {
			t.Parallel()
			text, found, decided := narrower(tt.before, tt.after)
			assert.True(t, decided)
			assert.Equal(t, tt.found, found, text)
			assert.Equal(t, tt.text, text)
		})
	}
}

func TestPatternsThatCannotBeFollowedAreLeftOpen(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{`\bword\b`, `(?m)^line$`, `(?=ahead)`, `^(?:(?:a|b)*a(?:a|b){20})$`} {
		_, _, decided := narrower(pattern, `^[ab]$`)
		_, _, other := narrower(`.`, pattern)
		assert.False(t, decided && other, pattern)
	}
}

// TestPatternsAgreeWithTheEngine compares all pairs of some patterns by all short texts.
func TestPatternsAgreeWithTheEngine(t *testing.T) {
	t.Parallel()
	patterns := []string{
		``, `^`, `$`, `a`, `^a`, `a$`, `^a$`, `^a*$`, `^a+$`, `^(ab)*$`, `a|b`, `^(a|b)$`, `^[ab]{1,2}$`, `^.$`, `^.*$`, `^.{2}$`, `\n`, `(?s)^.$`, `^[^a]+$`,
		`^(?i)A$`, `^a?b?$`, `ab|ba`, `^(a|ab)(c|bcd)?$`, `[^b]`, `^\w+$`, `^\W$`, `^(?:a$|b)`, `^$`, `a^b`, `^(^a)*b`, `^0-?a$`,
	}
	texts := []string{""}
	for last := texts; len(last[0]) < 4; {
		var longer []string
		for _, text := range last {
			for _, r := range "abA0-\n" {
				longer = append(longer, text+string(r))
			}
		}
		texts, last = append(texts, longer...), longer
	}
	for _, before := range patterns {
		b := regexp.MustCompile(before)
		for _, after := range patterns {
			a := regexp.MustCompile(after)
			text, found, decided := narrower(before, after)
			assert.True(t, decided, "%q %q", before, after)
			if found {
				assert.True(t, b.MatchString(text) && !a.MatchString(text), "%q %q: %q", before, after, text)
				continue
			}
			for _, text := range texts {
				if b.MatchString(text) && !a.MatchString(text) {
					assert.Fail(t, "missed", "%q %q: %q", before, after, text)
					break
				}
			}
		}
	}
}
