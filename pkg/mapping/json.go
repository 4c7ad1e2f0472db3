package mapping

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxDepth bounds the nesting of a document: what reads it further on may need stack for each level.
const maxDepth = 500

// validJSON says whether data is one JSON document in UTF-8 that is not nested too deeply.
func validJSON(data []byte) bool {
	return shallow(data) && gjson.ValidBytes(data) && utf8.Valid(data)
}

// shallow counts brackets outside strings.
func shallow(data []byte) bool {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '[', '{':
			if depth++; depth > maxDepth {
				return false
			}
		case ']', '}':
			depth--
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		}
	}
	return true
}
