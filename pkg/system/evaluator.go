package system

import (
	"encoding/json"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// Evaluator evaluates values of a definition and keeps the first error.
type Evaluator struct {
	// In is what the values see.
	In expression.Input
	// Err is the first error.
	Err error
}

func (e *Evaluator) keep(err error) {
	if err != nil && e.Err == nil {
		e.Err = err
	}
}

// Text evaluates to a string.
func (e *Evaluator) Text(v connector.Value) string {
	text, err := v.Text(e.In)
	e.keep(err)
	return text
}

// List evaluates to a list of texts.
func (e *Evaluator) List(v connector.Value) []string {
	texts, err := v.List(e.In)
	e.keep(err)
	return texts
}

// Bool evaluates to a boolean; a value that is not set gives fallback.
func (e *Evaluator) Bool(v connector.Value, fallback bool) bool {
	value, err := v.Bool(e.In, fallback)
	e.keep(err)
	return value
}

// JSON evaluates to a JSON document.
func (e *Evaluator) JSON(v connector.Value) json.RawMessage {
	document, err := v.JSON(e.In)
	e.keep(err)
	return document
}
