package registration

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

var (
	errNotOData  = errors.New("no OData service document")
	errEmptyBody = errors.New("an empty document")
)

// entitySets says how many entity sets (or singletons) an OData service document lists: version 2 to 4, as
// JSON or as Atom.
func entitySets(body []byte) (int, error) {
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(body) == 0:
		return 0, errEmptyBody
	case body[0] == '{':
		return entitySetsJSON(body)
	case system.IsWebPage(body):
		return 0, system.ErrWebPage
	case body[0] == '<':
		return entitySetsAtom(body)
	}
	return 0, errNotOData
}

func entitySetsJSON(body []byte) (int, error) {
	if !json.Valid(body) {
		return 0, errNotOData
	}
	document := gjson.ParseBytes(body)
	for _, path := range []string{"d.EntitySets", "value"} {
		if sets := document.Get(path); sets.IsArray() {
			return len(sets.Array()), nil
		}
	}
	return 0, errNotOData
}

// entitySetsAtom counts the collections of an AtomPub service document: service/workspace/collection. It
// reads token by token; entities are never expanded.
func entitySetsAtom(body []byte) (int, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	depth, sets := 0, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && depth == 0 {
			return sets, nil
		}
		if err != nil {
			return 0, errNotOData
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			switch {
			case depth == 1 && token.Name.Local == "html":
				return 0, system.ErrWebPage
			case depth == 1 && token.Name.Local != "service":
				return 0, errNotOData
			case depth == 3 && (token.Name.Local == "collection" || token.Name.Local == "singleton"):
				sets++
			}
		case xml.EndElement:
			depth--
		}
	}
}
