package secrettest_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// recorder takes the place of a test that is expected to fail.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestAssertNoLeakFindsEveryForm(t *testing.T) {
	t.Parallel()
	const value = `p4ss "word"/+?`
	for name, text := range map[string]string{
		"plain":       "password is " + value + "!",
		"hex":         fmt.Sprintf("%x", value),
		"query":       "https://x/?p=" + url.QueryEscape(value),
		"json":        fmt.Sprintf("%q", value),
		"base64":      base64.StdEncoding.EncodeToString([]byte(value)),
		"basic auth":  "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+value)),
		"basic auth2": "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+value+"x")),
		"basic auth3": "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("you:"+value+"xy")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			secrettest.AssertNoLeak(r, text, secret.New(value))
			assert.NotEmpty(t, r.errors)
			for _, message := range r.errors {
				assert.NotContains(t, message, value, "the message must not repeat the secret")
			}
		})
	}
}

func TestAssertNoLeakPasses(t *testing.T) {
	t.Parallel()
	secrettest.AssertNoLeak(t, "nothing to see: "+secret.Placeholder, secret.New("hunter2"))
}

func TestAssertNoLeakFailsWhereItProvesNothing(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]secret.Text{nil, {secret.New("abc")}, {{}}} {
		r := &recorder{TB: t}
		secrettest.AssertNoLeak(r, "text", secrets...)
		assert.NotEmpty(t, r.errors)
	}
}
