package lint

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
)

// maxIcon bounds an icon in bytes.
const maxIcon = 32 << 10

// wrongIcon says what is wrong with an icon in a data URL; empty for other addresses.
func wrongIcon(address string) string {
	media, content, found := strings.Cut(strings.TrimPrefix(address, "data:"), ",")
	if !strings.HasPrefix(address, "data:image/") || !found {
		return ""
	}
	data, err := base64.StdEncoding.DecodeString(content)
	if !strings.HasSuffix(media, ";base64") {
		var text string
		text, err = url.PathUnescape(content)
		data = []byte(text)
	}
	switch {
	case err != nil:
		return "cannot be decoded: " + oneLine(err)
	case len(data) > maxIcon:
		return fmt.Sprintf("has %d bytes, of at most %d", len(data), maxIcon)
	case strings.HasPrefix(media, "image/svg+xml"):
		return wrongSVG(data)
	default:
		return ""
	}
}

func wrongSVG(data []byte) string {
	d := xml.NewDecoder(bytes.NewReader(data))
	elements, styling := 0, false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "is no well-formed SVG: " + oneLine(err)
		}
		if directive, ok := token.(xml.Directive); ok && bytes.Contains(directive, []byte("ENTITY")) {
			return "defines entities"
		}
		if instruction, ok := token.(xml.ProcInst); ok && instruction.Target != "xml" {
			return "refers to something elsewhere: " + instruction.Target
		}
		if text, ok := token.(xml.CharData); ok && styling && fetches(string(text)) {
			return "refers to something elsewhere in its style"
		}
		if _, ended := token.(xml.EndElement); ended {
			styling = false
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		styling = start.Name.Local == "style"
		if elements++; elements == 1 && start.Name.Local != "svg" {
			return "is no SVG"
		}
		if name := start.Name.Local; name == "script" || name == "foreignObject" {
			return "holds " + name
		}
		for _, a := range start.Attr {
			switch {
			case strings.HasPrefix(strings.ToLower(a.Name.Local), "on"):
				return "runs something: " + a.Name.Local
			case a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:image/"):
				return "refers to something elsewhere"
			case fetches(a.Value) && a.Name.Local != "href":
				return "refers to something elsewhere in " + a.Name.Local
			}
		}
	}
	if elements == 0 {
		return "is empty"
	}
	return ""
}

var styleReference = regexp.MustCompile(`(?i)@import|url\(\s*["']?\s*([^#\s"')])`)

// fetches says whether a style refers to more than the icon itself and pictures that it holds.
func fetches(style string) bool {
	for _, m := range styleReference.FindAllStringIndex(style, -1) {
		if !strings.HasPrefix(strings.ToLower(style[m[1]-1:]), "data:image/") {
			return true
		}
	}
	return false
}
