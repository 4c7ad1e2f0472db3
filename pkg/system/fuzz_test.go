package system

import (
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// FuzzNextLink reads headers as anybody may send them.
func FuzzNextLink(f *testing.F) {
	for _, header := range []string{`<https://x/?page=2>; rel="next", <https://x/?page=9>; rel="last"`, `</a>;rel=next`, `<<>>;;rel==`, `<a>, <b>; rel=next`, `<`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if link := nextLink(header); link != "" && !strings.Contains(header, "<"+link+">") {
			t.Errorf("%q is not in %q", link, header)
		}
	})
}

// FuzzRepairPEM: what was PEM stays the same PEM, however its line breaks were lost.
func FuzzRepairPEM(f *testing.F) {
	f.Add([]byte("key"), "PRIVATE KEY")
	f.Add([]byte(strings.Repeat("x", 200)), "RSA PRIVATE KEY")
	f.Fuzz(func(t *testing.T, data []byte, label string) {
		_ = repairPEM(string(data) + label)
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: data}))
		for _, lost := range []string{text, strings.ReplaceAll(text, "\n", " "), strings.ReplaceAll(text, "\n", `\n`), strings.TrimSpace(text)} {
			block, _ := pem.Decode([]byte(repairPEM(lost)))
			if block == nil || string(block.Bytes) != string(data) {
				t.Errorf("%q became %q", lost, repairPEM(lost))
			}
		}
	})
}

// FuzzItems lists what systems answer.
func FuzzItems(f *testing.F) {
	f.Add([]byte(`{"items":[{"id":1},2,"x"]}`), "items")
	f.Add([]byte(`[1]`), "")
	f.Add([]byte(`{"a":{"b":1}}`), "[@this]")
	f.Fuzz(func(_ *testing.T, body []byte, path string) {
		if list, ok := listIn(body, path); ok {
			list.ForEach(func(_, _ gjson.Result) bool { return true })
		}
	})
}

// constant is a transport whose other end always answers the same.
type constant struct {
	status int
	body   []byte
}

func (c constant) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(c.body)))}, nil
}

// FuzzToken reads answers of token endpoints.
func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"x","expires_in":3600}`))
	f.Add([]byte(`{"access_token":"x","expires_in":"3599"}`))
	f.Add([]byte(`{"access_token":"x","expires_in":1e999}`))
	f.Add([]byte(`{"access_token":"x","expires_in":"-1h"}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		client := httpclient.New(httpclient.Options{Transport: constant{http.StatusOK, body}, Retry: httpclient.Retry{Attempts: 1}})
		a := &Authorization{OAuth: &OAuth{request: httpclient.Request{Method: http.MethodPost, URL: "https://x.example.com/token"}}}
		token, expires, found := fetchToken(context.Background(), client, a)
		if found.OK() == token.Empty() {
			t.Errorf("%q gives a token of %d bytes, and %+v", body, len(token.Reveal()), found)
		}
		if !expires.After(time.Now().Add(-time.Minute)) {
			t.Errorf("%q expired at %s", body, expires)
		}
		if len(body) > 30 && strings.Contains(found.Reason, string(body)) {
			t.Errorf("%q is repeated", body)
		}
	})
}

// FuzzPrintable: what systems write fits into one line.
func FuzzPrintable(f *testing.F) {
	f.Add("Orders", 10)
	f.Add("a\r\n\x00\u2028\xff", 3)
	f.Add(strings.Repeat("ü", 100), 7)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 1 + limit&1023
		got := Printable(text, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) }) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// FuzzJudge reads answers of all statuses.
func FuzzJudge(f *testing.F) {
	f.Add(302, "https://login.example.com/", []byte("<!doctype html>"))
	f.Add(200, ":%zz", []byte("<?xml ?><!-- --><html"))
	f.Fuzz(func(t *testing.T, status int, location string, body []byte) {
		_ = IsWebPage(body)
		request := httpclient.Request{Method: http.MethodGet, URL: "https://x.example.com/"}
		answer := &httpclient.Response{Status: status, Header: http.Header{"Location": {location}}, Body: body}
		found := JudgeStatus(request, answer, []int{http.StatusOK}, Hints{})
		if found.OK() != (status == http.StatusOK) {
			t.Errorf("status %d: %+v", status, found)
		}
		if len(found.Reason) > 1000 {
			t.Errorf("%d bytes of reason", len(found.Reason))
		}
	})
}
