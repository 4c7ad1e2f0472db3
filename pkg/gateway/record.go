package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// recordVersion starts every encoded record. The one before had no shared payloads.
const recordVersion = 2

// shared stands in the place of a payload's length where the payload is a part of the delivery's body: place and length
// follow. Most payloads are the body, which would otherwise be kept twice.
const shared = -1

// AppendBinary implements encoding.BinaryAppender: the form in which buffers keep records. It has no
// checksum; a buffer adds one.
func (r *Record) AppendBinary(dst []byte) ([]byte, error) {
	d := &r.Delivery
	e := encoder{buf: append(dst, recordVersion), body: d.Body, search: len(r.Entries) == 1}
	e.text(d.Route)
	e.number(d.Received.UnixNano())
	e.lists(d.Header)
	e.lists(d.Query)
	e.texts(d.Path)
	e.text(d.Topic)
	e.blob(d.Body)
	e.number(int64(len(r.Entries)))
	for i := range r.Entries {
		e.entry(&r.Entries[i])
	}
	return e.buf, nil
}

// DecodeRecord reads what AppendBinary wrote. The record's bodies share the memory of data.
func DecodeRecord(data []byte) (*Record, error) {
	d := decoder{rest: data}
	if version := d.bytes(1); d.failed || version[0] < 1 || version[0] > recordVersion {
		return nil, errors.New("record of an unknown version")
	}
	r := &Record{}
	r.Delivery.Route = d.text()
	r.Delivery.Received = time.Unix(0, d.number()).UTC()
	r.Delivery.Header = d.lists()
	r.Delivery.Query = d.lists()
	r.Delivery.Path = d.texts()
	r.Delivery.Topic = d.text()
	r.Delivery.Body = d.blob()
	d.body = r.Delivery.Body
	n := d.count()
	r.Entries = make([]Entry, 0, n)
	for range n {
		r.Entries = append(r.Entries, d.entry())
	}
	if d.failed || len(d.rest) != 0 {
		return nil, errors.New("record is damaged")
	}
	return r, nil
}

type encoder struct {
	buf    []byte
	body   []byte
	search bool // look for payloads within the body
}

func (e *encoder) number(n int64) { e.buf = binary.AppendVarint(e.buf, n) }
func (e *encoder) text(s string)  { e.number(int64(len(s))); e.buf = append(e.buf, s...) }
func (e *encoder) blob(b []byte)  { e.number(int64(len(b))); e.buf = append(e.buf, b...) }

func (e *encoder) payload(data []byte) {
	at := -1
	switch {
	case len(data) == 0:
	case len(data) == len(e.body):
		if bytes.Equal(data, e.body) {
			at = 0
		}
	case e.search:
		at = bytes.Index(e.body, data)
	}
	if at < 0 {
		e.blob(data)
		return
	}
	e.number(shared)
	e.number(int64(at))
	e.number(int64(len(data)))
}

func (e *encoder) texts(s []string) {
	e.number(int64(len(s)))
	for _, text := range s {
		e.text(text)
	}
}

func (e *encoder) lists(m map[string][]string) {
	e.number(int64(len(m)))
	var room [16]string
	for _, name := range appendSorted(room[:0], m) {
		e.text(name)
		e.texts(m[name])
	}
}

// appendSorted appends a map's keys in their order. Most maps have few, for which the caller has room.
func appendSorted[V any](dst []string, m map[string]V) []string {
	for name := range m {
		dst = append(dst, name)
	}
	slices.Sort(dst)
	return dst
}

// moment keeps the sender's own zone. The zero time is empty.
func (e *encoder) moment(t time.Time) {
	if t.IsZero() {
		e.text("")
		return
	}
	var text [len(time.RFC3339Nano)]byte
	e.blob(t.AppendFormat(text[:0], time.RFC3339Nano))
}

func (e *encoder) entry(entry *Entry) {
	v := &entry.Event
	for _, s := range [...]string{v.ID, v.Source, v.Type, v.Version, v.Subject, v.DataContentType} {
		e.text(s)
	}
	e.moment(v.Time)
	e.payload(v.Data)
	e.number(int64(len(v.Extensions)))
	var room [8]string
	for _, name := range appendSorted(room[:0], v.Extensions) {
		e.text(name)
		e.text(v.Extensions[name])
	}
	e.text(entry.Key)
	if entry.Failure == nil {
		e.number(0)
		return
	}
	e.number(1)
	e.text(string(entry.Failure.Reason))
	e.text(entry.Failure.Detail)
	e.moment(entry.Failure.At)
	e.number(int64(entry.Failure.Attempts))
}

// decoder reads lengths that it does not trust: whatever does not fit into the rest sets failed.
type decoder struct {
	rest   []byte
	body   []byte
	failed bool
}

func (d *decoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count is a number of things that each take at least one byte.
func (d *decoder) count() int {
	n := d.number()
	if n < 0 || n > int64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) bytes(n int) []byte {
	if d.failed || n > len(d.rest) {
		d.failed, d.rest = true, nil
		return nil
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) blob() []byte {
	if b := d.bytes(d.count()); len(b) > 0 {
		return b
	}
	return nil
}

func (d *decoder) payload() []byte {
	n := d.number()
	if n == shared {
		at, length := d.number(), d.number()
		if all := int64(len(d.body)); at < 0 || length < 1 || at > all || length > all-at {
			d.failed, d.rest = true, nil
			return nil
		}
		return d.body[at : at+length : at+length]
	}
	if n < 0 || n > int64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	if b := d.bytes(int(n)); len(b) > 0 {
		return b
	}
	return nil
}

func (d *decoder) text() string { return string(d.bytes(d.count())) }

func (d *decoder) texts() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	out := make([]string, 0, n)
	for range n {
		out = append(out, d.text())
	}
	return out
}

func (d *decoder) lists() map[string][]string {
	n := d.count()
	if n == 0 {
		return nil
	}
	out := make(map[string][]string, n)
	for range n {
		name := d.text()
		out[name] = d.texts()
	}
	return out
}

func (d *decoder) moment() time.Time {
	text := d.text()
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		d.failed, d.rest = true, nil
	}
	return t
}

func (d *decoder) entry() Entry {
	v := event.Event{ID: d.text(), Source: d.text(), Type: d.text(), Version: d.text(), Subject: d.text(), DataContentType: d.text()}
	v.Time = d.moment()
	v.Data = d.payload()
	if n := d.count(); n > 0 {
		v.Extensions = make(map[string]string, n)
		for range n {
			name := d.text()
			v.Extensions[name] = d.text()
		}
	}
	entry := Entry{Event: v, Key: d.text()}
	if d.number() == 1 {
		entry.Failure = &Failure{Reason: Reason(d.text()), Detail: d.text(), At: d.moment(), Attempts: int(d.number())}
	}
	return entry
}

// AppendDedupKey appends what an event is known by: the delivery that brought it, its source and its id.
func AppendDedupKey(dst []byte, route string, e *event.Event) []byte {
	for _, part := range [...]string{route, e.Source} {
		dst = strconv.AppendInt(dst, int64(len(part)), 10)
		dst = append(append(dst, ':'), part...)
	}
	return append(dst, e.ID...)
}
