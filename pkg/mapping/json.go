package mapping

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// validJSON says whether data is one JSON document in UTF-8 that is not nested too deeply.
func validJSON(data []byte) bool {
	return !expression.TooDeep(data) && gjson.ValidBytes(data) && utf8.Valid(data)
}
