package registration

import (
	"bufio"
	"encoding/json"
	"strings"
)

// maxNesting bounds how deep a JSON document may be: what is open is held in memory.
const maxNesting = 1000

// maxScalar is the number of bytes of a text, a number or a word that are looked at as a whole; of what is longer, only
// that it is one.
const maxScalar = 64

// scanObject reads one JSON object to its end and says whether it is one; member gets the names at its top, shortened.
// Texts may be of any length, since none is held: that is what encoding/json cannot do.
func scanObject(document *bufio.Reader, member func(name string)) bool {
	s := &jsonScanner{document: document}
	if s.next() != '{' {
		return false
	}
	s.open = []byte{'{'}
	for first := true; len(s.open) > 0; {
		c := s.next()
		within := s.open[len(s.open)-1]
		if c == within+2 { // '}' is two after '{', ']' two after '['
			if s.comma {
				return false
			}
			s.open, first = s.open[:len(s.open)-1], false
			continue
		}
		if !first && !s.comma {
			if c != ',' {
				return false
			}
			s.comma = true
			continue
		}
		s.comma = false
		if within == '{' {
			name, ok := s.text(c)
			if !ok || s.next() != ':' {
				return false
			}
			if len(s.open) == 1 {
				member(name)
			}
			c = s.next()
		}
		first = false
		switch {
		case (c == '{' || c == '[') && len(s.open) < maxNesting:
			s.open, first = append(s.open, c), true
		case c == '"':
			if _, ok := s.text(c); !ok {
				return false
			}
		case !s.scalar(c):
			return false
		}
	}
	return true
}

// jsonScanner reads a document byte by byte.
type jsonScanner struct {
	document *bufio.Reader
	open     []byte // what is open: '{' and '['
	comma    bool   // a comma was read, and nothing behind it
}

// next is the next byte that is no white space; 0 at the end.
func (s *jsonScanner) next() byte {
	for {
		c, err := s.document.ReadByte()
		if err != nil {
			return 0
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
}

// text reads a text whose first byte was read already, and returns its beginning as it is written.
func (s *jsonScanner) text(first byte) (begin string, ok bool) {
	if first != '"' {
		return "", false
	}
	var held []byte
	for escaped := false; ; {
		if _, err := s.document.Peek(1); err != nil {
			return "", false
		}
		piece, _ := s.document.Peek(s.document.Buffered())
		for i, c := range piece {
			switch {
			case c < ' ':
				return "", false
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				held = append(held, piece[:min(i, maxScalar-len(held))]...)
				_, _ = s.document.Discard(i + 1)
				return string(held), true
			}
		}
		held = append(held, piece[:min(len(piece), maxScalar-len(held))]...)
		_, _ = s.document.Discard(len(piece))
	}
}

// scalar reads a number or a word whose first byte was read already.
func (s *jsonScanner) scalar(first byte) bool {
	held := []byte{first}
	for {
		c, err := s.document.ReadByte()
		if err != nil {
			return false
		}
		if strings.IndexByte("+-.eE0123456789abcdefghijklmnopqrstuvwxyz", c) < 0 {
			_ = s.document.UnreadByte() // cannot fail after ReadByte
			return json.Valid(held)
		}
		if held = append(held, c); len(held) > maxScalar {
			return false
		}
	}
}
