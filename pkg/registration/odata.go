package registration

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

var (
	errNotOData  = errors.New("no OData service document")
	errNotEDMX   = errors.New("no OData metadata (EDMX)")
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
		if list := document.Get(path); list.IsArray() {
			sets := 0
			list.ForEach(func(_, _ gjson.Result) bool { sets++; return true })
			return sets, nil
		}
	}
	return 0, errNotOData
}

// entitySetsAtom counts the collections of an AtomPub service document: service/workspace/collection.
func entitySetsAtom(body []byte) (int, error) {
	return countElements(bytes.NewReader(body), errNotOData, func(path []string) bool {
		return path[0] == "service" && (len(path) < 3 || path[2] == "collection" || path[2] == "singleton")
	}, 3)
}

// metadataSets counts what an OData service offers by its $metadata, an EDMX document of any version: entity
// sets and singletons, and imports of functions and actions, which are all that some services have. It reads
// while the document arrives and keeps none of it.
func metadataSets(document io.Reader) (int, error) {
	return countElements(document, errNotEDMX, func(path []string) bool {
		switch {
		case path[0] != "Edmx":
			return false
		case len(path) < 5:
			return true
		}
		switch path[4] {
		case "EntitySet", "Singleton", "FunctionImport", "ActionImport":
			return path[1] == "DataServices" && path[2] == "Schema" && path[3] == "EntityContainer"
		}
		return false
	}, 5)
}

// Bounds of an XML document: how deep its elements may be, and how many bytes any one thing in it (an element
// with its attributes, a text, a comment) may take. Neither a specification nor a service document comes close.
const (
	maxDepth = 64
	maxToken = 256 << 10
)

// countElements counts the elements at a depth, counted from 1, for which wanted holds; it gets the names of the
// element and of all that it is in, the root first. It reads token by token; entities are never expanded. wanted is
// asked for the root, too: where it does not hold, or where the document is no XML, wrong is returned.
func countElements(document io.Reader, wrong error, wanted func(path []string) bool, at int) (int, error) {
	source := &tokenReader{r: document, left: maxToken}
	decoder := xml.NewDecoder(source)
	path := make([]string, 0, maxDepth)
	count, roots := 0, 0
	for {
		source.left = maxToken
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) && len(path) == 0 && roots == 1 {
			return count, nil
		}
		if err != nil {
			return 0, wrong
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(path) == maxDepth || len(path) == 0 && roots > 0 {
				return 0, wrong
			}
			path = append(path, token.Name.Local)
			switch {
			case len(path) == 1 && strings.EqualFold(token.Name.Local, "html"):
				return 0, system.ErrWebPage
			case len(path) == 1:
				if roots++; !wanted(path) {
					return 0, wrong
				}
			case len(path) == at && wanted(path):
				count++
			}
		case xml.EndElement:
			last := len(path) - 1
			if last < 0 || path[last] != token.Name.Local {
				return 0, wrong
			}
			path = path[:last]
		case xml.Directive:
			// A document type: it could define entities.
			if fields := strings.Fields(string(token[:min(len(token), 100)])); len(fields) > 1 && strings.EqualFold(fields[1], "html") {
				return 0, system.ErrWebPage
			}
			return 0, wrong
		}
	}
}

// tokenReader ends a document that has too much between two tokens: the decoder keeps a token whole.
type tokenReader struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (t *tokenReader) Read(p []byte) (int, error) {
	if t.left <= 0 {
		return 0, errNotOData
	}
	n, err := t.r.Read(p[:min(len(p), t.left)])
	t.left -= n
	return n, err
}
