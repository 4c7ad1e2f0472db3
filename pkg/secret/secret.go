// Package secret holds values that must never be printed: every way of turning a Text into
// characters, except Reveal, yields a placeholder.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sort"
	"strings"
	"unique"
)

// Placeholder is what a secret prints as, wherever it is printed.
const Placeholder = "<secret>"

// Text is a secret value. The zero value is an absent secret. It prints, formats, logs and
// marshals as Placeholder; only Reveal gives the value away.
//
// The value is behind a handle, which prints as an address, because fmt prints the fields of a value whose
// verb it does not know, past every method. Two Texts are equal by == where their values are.
type Text struct{ value unique.Handle[string] }

// New wraps a value as a secret.
func New(value string) Text { return Text{value: unique.Make(value)} }

// Reveal returns the value. Call it only where the value leaves for the place it is meant for: a
// request to the system, a Secret, a comparison.
func (t Text) Reveal() string {
	if t == (Text{}) {
		return ""
	}
	return t.value.Value()
}

// Empty says whether there is no value.
func (t Text) Empty() bool { return t.Reveal() == "" }

// Matches says whether somebody knows the value, in a time that says nothing about it. Nobody knows an absent
// secret.
func (t Text) Matches(candidate string) bool {
	want, got := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(candidate))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && !t.Empty()
}

// String implements fmt.Stringer without the value.
func (t Text) String() string { return Placeholder }

// GoString implements fmt.GoStringer without the value.
func (t Text) GoString() string { return Placeholder }

// Format implements fmt.Formatter, so that no verb (not even %d or %x) reaches the value.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Placeholder) }

// MarshalText implements encoding.TextMarshaler (JSON, YAML, XML) without the value.
func (t Text) MarshalText() ([]byte, error) { return []byte(Placeholder), nil }

// LogValue implements slog.LogValuer without the value.
func (t Text) LogValue() slog.Value { return slog.StringValue(Placeholder) }

// ReadFile reads a secret from a file as Kubernetes mounts it. One trailing line break is not part
// of the value. An empty file is an error: an empty secret would switch a check off.
func ReadFile(path string) (Text, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Text{}, err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return Text{}, fmt.Errorf("%s is empty: a secret needs a value", path)
	}
	return New(value), nil
}

// Redactor replaces known secrets in text that others produced: error messages of libraries, output
// of child processes. It is safe for concurrent use. The zero value redacts nothing.
type Redactor struct{ replacer *strings.Replacer }

// minRedacted is the length below which a value is too common to be searched for in free text.
const minRedacted = 4

// NewRedactor knows the given secrets. Values of fewer than four bytes are left out: replacing them
// would garble the text and hide nothing.
func NewRedactor(texts ...Text) *Redactor {
	values := make([]string, 0, len(texts))
	for _, t := range texts {
		if value := t.Reveal(); len(value) >= minRedacted {
			values = append(values, value)
		}
	}
	// Longest first, so that a secret that contains another one is replaced as a whole.
	sort.Slice(values, func(i, j int) bool { return len(values[i]) > len(values[j]) })
	pairs := make([]string, 0, 2*len(values))
	for _, v := range values {
		pairs = append(pairs, v, Placeholder)
	}
	return &Redactor{replacer: strings.NewReplacer(pairs...)}
}

// Redact returns s with every known secret replaced.
func (r *Redactor) Redact(s string) string {
	if r == nil || r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

// Writer returns a writer that redacts line by line before it writes to w. Close flushes an
// unfinished last line.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser { return &writer{redactor: r, w: w} }

type writer struct {
	redactor *Redactor
	w        io.Writer
	rest     []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	i := bytes.LastIndexByte(w.rest, '\n')
	if i < 0 {
		return len(p), nil
	}
	line := w.redactor.Redact(string(w.rest[:i+1]))
	w.rest = append(w.rest[:0], w.rest[i+1:]...)
	if _, err := io.WriteString(w.w, line); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *writer) Close() error {
	if len(w.rest) == 0 {
		return nil
	}
	_, err := io.WriteString(w.w, w.redactor.Redact(string(w.rest)))
	w.rest = nil
	return err
}
