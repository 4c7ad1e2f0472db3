package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

const value = "hunter2-0123456789"

// holder is a struct as others print it, with the secret at every depth.
type holder struct {
	Name    string
	Text    secret.Text
	Pointer *secret.Text
	List    []secret.Text
	Map     map[string]secret.Text
	Any     any
}

func held() holder {
	s := secret.New(value)
	return holder{"name", s, &s, []secret.Text{s}, map[string]secret.Text{"key": s}, s}
}

func TestNoVerbPrintsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(value)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%c", "%U", "%e", "%t", "%20s", "%-5.3s", "%w"} {
		for _, v := range []any{s, &s, held(), &[]holder{held()}, map[secret.Text]string{s: "x"}} {
			secrettest.AssertNoLeak(t, fmt.Sprintf(verb, v), s)
		}
	}
	assert.Equal(t, "password "+secret.Placeholder, fmt.Sprint("password ", s))
}

func TestNoEncodingPrintsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(value)
	asJSON, err := json.Marshal(held())
	require.NoError(t, err)
	assert.Contains(t, string(asJSON), `"Text":"\u003csecret\u003e"`)
	asYAML, err := yaml.Marshal(held())
	require.NoError(t, err)
	type document struct{ Text secret.Text }
	asXML, err := xml.Marshal(document{s})
	require.NoError(t, err)
	for _, text := range []string{string(asJSON), string(asYAML), string(asXML)} {
		secrettest.AssertNoLeak(t, text, s)
	}
}

func TestNoLogPrintsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(value)
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		log := slog.New(handler).With("with", s)
		log.Info("message", "secret", s, "pointer", &s, "holder", held(), slog.Group("group", "secret", s), "list", []any{s})
		log.Error("failed", "error", fmt.Errorf("cannot sign in with %v: %w", s, errors.New(s.String())))
	}
	require.NotEmpty(t, out.String())
	secrettest.AssertNoLeak(t, out.String(), s)
}

func TestRevealAndEmpty(t *testing.T) {
	t.Parallel()
	assert.Equal(t, value, secret.New(value).Reveal())
	assert.False(t, secret.New(value).Empty())
	assert.True(t, secret.Text{}.Empty())
	assert.True(t, secret.New("").Empty())
	assert.True(t, secret.New(value) == secret.New(strings.Clone(value)), "equal by value")
	assert.False(t, secret.New(value) == secret.New("other"))
	assert.Equal(t, secret.Placeholder, (secret.Text{}).String(), "whether there is a secret is not said either")
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ content, want, err string }{
		"plain":                {value, value, ""},
		"one line break":       {value + "\n", value, ""},
		"one Windows break":    {value + "\r\n", value, ""},
		"inner breaks stay":    {"a\nb\n\n", "a\nb\n", ""},
		"blanks stay":          {" a ", " a ", ""},
		"empty":                {"", "", "is empty: a secret needs a value"},
		"only one line break":  {"\n", "", "is empty: a secret needs a value"},
		"carriage return only": {"\r", "", "is empty: a secret needs a value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "key")
			require.NoError(t, os.WriteFile(file, []byte(tc.content), 0o600))
			got, err := secret.ReadFile(file)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				assert.ErrorContains(t, err, file)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got.Reveal())
		})
	}
	_, err := secret.ReadFile(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	r := secret.NewRedactor(secret.New("hunter2"), secret.New("hunter2-long"), secret.New("abc"), secret.Text{})
	assert.Equal(t, "a <secret> b <secret> abc", r.Redact("a hunter2 b hunter2-long abc"), "the longer one as a whole, too short ones not at all")
	assert.Equal(t, "hunter2", (&secret.Redactor{}).Redact("hunter2"), "the zero value knows nothing")
	assert.Equal(t, "hunter2", (*secret.Redactor)(nil).Redact("hunter2"))
}

func TestRedactorWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := secret.NewRedactor(secret.New(value)).Writer(&out)
	for _, part := range strings.SplitAfter("one "+value+" two\nthree "+value, "") {
		n, err := w.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	assert.Equal(t, "one <secret> two\n", out.String(), "a secret that arrives in pieces is found too")
	require.NoError(t, w.Close())
	assert.Equal(t, "one <secret> two\nthree <secret>", out.String())
	require.NoError(t, w.Close())
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestRedactorWriterReportsErrors(t *testing.T) {
	t.Parallel()
	w := secret.NewRedactor().Writer(failing{})
	_, err := w.Write([]byte("line\n"))
	require.ErrorContains(t, err, "full")
	_, err = w.Write([]byte("rest"))
	require.NoError(t, err)
	require.ErrorContains(t, w.Close(), "full")
}

func TestMatches(t *testing.T) {
	t.Parallel()
	known := secret.New("correct horse")
	assert.True(t, known.Matches("correct horse"))
	assert.False(t, known.Matches("correct"))
	assert.False(t, known.Matches(""))
	assert.False(t, known.Matches(secret.Placeholder))
	assert.False(t, secret.Text{}.Matches(""), "an absent secret lets nobody in")
	assert.False(t, secret.New("").Matches(""), "nor does an empty one")
}
