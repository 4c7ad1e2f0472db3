package sample_test

import (
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

func TestAnswersAreRead(t *testing.T) {
	t.Parallel()
	answers, err := sample.LoadAnswers(fstest.MapFS{sample.AnswersFile: {Data: []byte("- {path: /a, json: [{id: 1}]}\n- {method: POST, path: /b, status: 201}\n")}})
	require.NoError(t, err)
	assert.Equal(t, []sample.SystemAnswer{
		{Method: "GET", Path: "/a", Status: 200, JSON: json.RawMessage(`[{"id":1}]`)}, {Method: "POST", Path: "/b", Status: 201},
	}, answers)
	answers, err = sample.LoadAnswers(fstest.MapFS{})
	require.NoError(t, err)
	assert.Empty(t, answers)
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"- {path: a}":               "answers.yaml: entry 1: want a path",
		"- {path: \"/a?b=c\"}":      "without a query",
		"- {path: /a, status: 99}":  "an HTTP status",
		"- {path: /a, body: '[ ]'}": `unknown field "body"`,
		"{path: /a}":                "answers.yaml:",
	} {
		_, err := sample.LoadAnswers(fstest.MapFS{sample.AnswersFile: {Data: []byte(content)}})
		assert.ErrorContains(t, err, want, content)
	}
}
