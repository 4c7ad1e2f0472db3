package described

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// Renew makes a recorded delivery a new one, as if the same had happened once more: its events have ids of their
// own, its time is now where its proof covers one, and it proves its sender under to. It is an error where no
// change of the delivery changes the ids, or where only somebody else can make the proof.
func (s *System) Renew(r simulator.Recorded, to *connector.Params, now time.Time) (simulator.Recorded, error) {
	recorded := sample.Request{Method: http.MethodPost, Target: r.Target, Header: r.Header, Body: r.Body}
	delivery := sample.Delivery(s.definition, recorded)
	if delivery == nil {
		return r, errors.New("no delivery of the definition takes " + r.Target)
	}
	events, err := s.events(delivery, recorded)
	if err != nil {
		return r, err
	}
	for _, change := range []func(sample.Request, []mappedEvent) sample.Request{withNewIDs, s.withBlanks} {
		changed := change(recorded, events)
		now1, err := s.events(delivery, changed)
		if err != nil || !renewed(events, now1) {
			continue
		}
		signed, ok, err := sample.SignChanged(s.definition, recorded, changed, s.from, to, now)
		if err != nil {
			return r, err
		}
		if !ok {
			return r, errors.New("its proof cannot be made here")
		}
		r.Target, r.Header, r.Body = signed.Target, signed.Header, signed.Body
		return r, nil
	}
	return r, errors.New("nothing that can be changed of it changes the ids of its events")
}

// mappedEvent is what has to change, and what has to stay.
type mappedEvent struct{ id, fullType string }

// renewed says whether events are the same with other ids.
func renewed(before, after []mappedEvent) bool {
	return slices.EqualFunc(before, after, func(a, b mappedEvent) bool { return a.fullType == b.fullType && a.id != b.id })
}

// events are those that the definition makes of a delivery.
func (s *System) events(delivery *connector.Delivery, r sample.Request) ([]mappedEvent, error) {
	mapper, err := mapping.New(s.definition, delivery, s.from.Input())
	if err != nil {
		return nil, err
	}
	target, err := url.ParseRequestURI(r.Target)
	if err != nil {
		return nil, fmt.Errorf("the request's target: %w", err)
	}
	d := mapping.Delivery{Header: r.Header, Query: target.Query(), Body: slices.Clone(r.Body)}
	if delivery.HTTP != nil {
		if rest := strings.Trim(strings.TrimPrefix(target.Path, delivery.HTTP.Path), "/"); rest != "" {
			d.Path = strings.Split(rest, "/")
		}
	} else {
		d.Topic, _ = r.Topic()
	}
	result := mapper.Map(d)
	if result.Outcome != mapping.Accepted {
		return nil, fmt.Errorf("it is %s: %s", result.Outcome, result.Reason)
	}
	var out []mappedEvent
	for _, e := range result.Events {
		out = append(out, mappedEvent{strings.Clone(e.ID), strings.Clone(e.FullType())})
	}
	return out, nil
}

// withNewIDs replaces the ids where the delivery has them literally, as words of their own.
func withNewIDs(r sample.Request, events []mappedEvent) sample.Request {
	out := sample.Request{Method: r.Method, Target: r.Target, Header: r.Header.Clone(), Body: slices.Clone(r.Body)}
	for _, e := range events {
		fresh := likeID(e.id)
		out.Body = []byte(replaceWord(string(out.Body), e.id, fresh))
		out.Target = replaceWord(out.Target, e.id, fresh)
		if escaped := url.QueryEscape(e.id); escaped != e.id {
			out.Body = []byte(replaceWord(string(out.Body), escaped, url.QueryEscape(fresh)))
			out.Target = replaceWord(out.Target, escaped, url.QueryEscape(fresh))
		}
		for name, values := range out.Header {
			for i, value := range values {
				if value == e.id {
					out.Header[name][i] = fresh
				}
			}
		}
	}
	return out
}

// withBlanks changes nothing but the bytes of a JSON document, for ids that are made of them: the body, or those
// that the fields of a form hold.
func (s *System) withBlanks(r sample.Request, _ []mappedEvent) sample.Request {
	// How many blanks there are tells one delivery from another.
	blanks := int(s.renewed.Add(1))
	out := r
	if json.Valid(r.Body) {
		out.Body = append(slices.Clone(r.Body), bytes.Repeat([]byte(" "), blanks)...)
		return out
	}
	fields := strings.Split(string(r.Body), "&")
	for i, field := range fields {
		_, value, _ := strings.Cut(field, "=")
		document, err := url.QueryUnescape(value)
		if err == nil && strings.HasPrefix(document, "{") && json.Valid([]byte(document)) {
			fields[i] += strings.Repeat("+", blanks)
		}
	}
	out.Body = []byte(strings.Join(fields, "&"))
	return out
}

// replaceWord replaces a text where no letter or digit stands before or after it.
func replaceWord(in, old, fresh string) string {
	if old == "" {
		return in
	}
	var out strings.Builder
	word := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
	}
	for at := 0; ; {
		i := strings.Index(in[at:], old)
		if i < 0 {
			return out.String() + in[at:]
		}
		i += at
		end := i + len(old)
		out.WriteString(in[at:i])
		if i > 0 && word(in[i-1]) || end < len(in) && word(in[end]) {
			out.WriteString(old)
		} else {
			out.WriteString(fresh)
		}
		at = end
	}
}

var (
	uuid  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	hexID = regexp.MustCompile(`^[0-9a-f]{16,}$`)
)

// minRandom is how many characters of an id are random, so that two are never the same.
const minRandom = 15

// likeID is a new id that looks like one: digits stay digits, letters letters, and the rest stays as it is. A short
// one gets longer.
func likeID(id string) string {
	random := make([]byte, len(id)+minRandom+16)
	_, _ = rand.Read(random) // never fails
	if uuid.MatchString(id) {
		text := hex.EncodeToString(random[:16])
		return text[:8] + "-" + text[8:12] + "-4" + text[13:16] + "-a" + text[17:20] + "-" + text[20:]
	}
	out, changed := []byte(id), 0
	hexadecimal, digits := hexID.MatchString(id), true
	like := func(b, r byte) byte {
		switch {
		case hexadecimal:
			return "0123456789abcdef"[r%16]
		case b >= '0' && b <= '9':
			return '1' + r%9 // a number does not begin with 0
		case b >= 'a' && b <= 'z':
			return 'a' + r%26
		case b >= 'A' && b <= 'Z':
			return 'A' + r%26
		}
		return b
	}
	for i, b := range out {
		if out[i] = like(b, random[i]); b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' {
			changed++
		}
		digits = digits && b >= '0' && b <= '9'
	}
	for ; changed < minRandom; changed++ {
		kind := byte('a')
		if digits {
			kind = '0'
		}
		out = append(out, like(kind, random[len(out)]))
	}
	return string(out)
}
