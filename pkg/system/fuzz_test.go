package system

import (
	"encoding/pem"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
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
