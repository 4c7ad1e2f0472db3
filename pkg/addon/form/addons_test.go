package form_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFormsOfTheAddOns: a person who sees nothing but the form knows what to enter, a wrong value is noticed there, and
// no more is asked for than four fields.
func TestFormsOfTheAddOns(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../addons/*/plans/*/create-instance-schema.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var form struct {
			Required   []string
			Properties map[string]struct {
				Type, Title, Description, Pattern, Format string
				Enum, Examples                            []any
				Default                                   any
			}
		}
		require.NoError(t, json.Unmarshal(data, &form), file)
		assert.LessOrEqual(t, len(form.Required), 4, file)
		for name, field := range form.Properties {
			at := file + ": " + name
			assert.NotEmpty(t, field.Title, at)
			assert.NotEmpty(t, field.Description, at)
			if field.Type != "string" {
				assert.NotNil(t, field.Default, at)
				continue
			}
			assert.True(t, field.Pattern != "" || len(field.Enum) > 0, at+": no pattern")
			if field.Format != "password" {
				assert.True(t, len(field.Examples) > 0 || len(field.Enum) > 0 || field.Default != nil, at+": no example")
			}
		}
	}
}
