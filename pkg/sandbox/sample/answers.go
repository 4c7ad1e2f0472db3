package sample

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"sigs.k8s.io/yaml"
)

// AnswersFile holds answers of the system, for what follows neither from the definition nor from the documents
// beside it. It may be missing.
const AnswersFile = "answers.yaml"

// SystemAnswer is what the system answers, as it was recorded.
type SystemAnswer struct {
	// Method is GET where it is empty.
	Method string `json:"method,omitempty"`
	// Path is below the system's address, without a query.
	Path string `json:"path"`
	// Status is 200 where it is 0.
	Status int `json:"status,omitempty"`
	// JSON is the body.
	JSON json.RawMessage `json:"json,omitempty"`
}

// LoadAnswers reads the recorded answers of the system; none where there is no such file.
func LoadAnswers(dir fs.FS) ([]SystemAnswer, error) {
	data, err := fs.ReadFile(dir, AnswersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var answers []SystemAnswer
	if err := yaml.UnmarshalStrict(data, &answers); err != nil {
		return nil, fmt.Errorf("%s: %w", AnswersFile, err)
	}
	for i := range answers {
		a := &answers[i]
		if a.Method == "" {
			a.Method = http.MethodGet
		}
		if a.Status == 0 {
			a.Status = http.StatusOK
		}
		if !strings.HasPrefix(a.Path, "/") || strings.Contains(a.Path, "?") || a.Status < 200 || a.Status > 599 {
			return nil, fmt.Errorf("%s: entry %d: want a path that begins with /, without a query, and an HTTP status", AnswersFile, i+1)
		}
	}
	return answers, nil
}
