package mapping

import (
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// validJSON says whether data is one JSON document in UTF-8 that is not nested too deeply.
func validJSON(data []byte) bool {
	return !expression.TooDeep(data) && gjson.ValidBytes(data) && utf8.Valid(data)
}

// same says whether both are the same memory.
func same(a, b []byte) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b)
}
