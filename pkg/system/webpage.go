package system

import (
	"bytes"
	"errors"
)

// ErrWebPage says that an answer is a web page where there should be data.
var ErrWebPage = errors.New("a web page, probably a login page")

// IsWebPage says whether a document is HTML, by its beginning.
func IsWebPage(body []byte) bool {
	start := bytes.ToLower(body[:min(len(body), 512)])
	for bytes.HasPrefix(start, []byte("<?")) || bytes.HasPrefix(start, []byte("<!--")) {
		end := bytes.IndexByte(start, '>')
		if end < 0 {
			return false
		}
		start = bytes.TrimLeft(start[end+1:], " \t\r\n")
	}
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}
