package connector_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

func form(parameters map[string]connector.Parameter) *connector.Definition {
	return &connector.Definition{Parameters: parameters}
}

func TestResolveParamsNormalises(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		parameter connector.Parameter
		given     string
		want      string
	}{
		"url":                         {connector.Parameter{Kind: connector.KindURL}, "https://System.example.com", "https://system.example.com"},
		"url, trailing slash":         {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com/", "https://system.example.com"},
		"url with a path":             {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com/v1.svc/", "https://system.example.com/v1.svc"},
		"url with a port":             {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com:8443", "https://system.example.com:8443"},
		"url, matrix parameters stay": {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com/A;v=0002", "https://system.example.com/A;v=0002"},
		"url, line break at the end":  {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com\n", "https://system.example.com"},
		"url that matches a pattern":  {connector.Parameter{Kind: connector.KindURL, Pattern: `https://[^/]+`}, "https://system.example.com/", "https://system.example.com"},
		"hostname":                    {connector.Parameter{Kind: connector.KindHostname}, "Kyma.Example.com", "kyma.example.com"},
		"text":                        {connector.Parameter{Kind: connector.KindText}, " a user ", "a user"},
		"secret keeps its blanks":     {connector.Parameter{Kind: connector.KindSecret}, " p w ", secret.Placeholder},
		"list":                        {connector.Parameter{Kind: connector.KindList}, "a, b\nc,,", "a,b,c"},
		"resource name":               {connector.Parameter{Kind: connector.KindResourceName}, "my-app.1", "my-app.1"},
		"integer":                     {connector.Parameter{Kind: connector.KindInteger}, "007", "7"},
		"boolean":                     {connector.Parameter{Kind: connector.KindBoolean}, "True", "true"},
		"enum":                        {connector.Parameter{Kind: connector.KindText, Enum: []string{"a", "b"}}, "b", "b"},
		"default of an absent value":  {connector.Parameter{Kind: connector.KindText, Default: "d"}, "", "d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params, err := form(map[string]connector.Parameter{"p": tc.parameter}).ResolveParams(map[string]string{"p": tc.given})
			require.NoError(t, err)
			assert.Equal(t, tc.want, params.Get("p"))
			assert.True(t, params.Has("p"))
		})
	}
}

func TestResolveParamsRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		parameter connector.Parameter
		given     string
		want      string // part of the message
	}{
		"plain http":             {connector.Parameter{Kind: connector.KindURL}, "http://system.example.com", "want https"},
		"plain http on loopback": {connector.Parameter{Kind: connector.KindURL}, "http://localhost", "want https"},
		"url without scheme":     {connector.Parameter{Kind: connector.KindURL}, "system.example.com", "begins with https://"},
		"url without host":       {connector.Parameter{Kind: connector.KindURL}, "https:///path", "has no host"},
		"url with port only":     {connector.Parameter{Kind: connector.KindURL}, "https://:8443", "has no host"},
		"url with credentials":   {connector.Parameter{Kind: connector.KindURL}, "https://u:hidden@system.example.com", "has credentials in it"},
		"url with query":         {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com?a=b", "without a query"},
		"url with fragment":      {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com#", "without a fragment"},
		"url with blank":         {connector.Parameter{Kind: connector.KindURL}, "https://sys tem.example.com", "without blanks"},
		"url with bad host":      {connector.Parameter{Kind: connector.KindURL}, "https://sys_tem.example.com", "neither a DNS name nor an address"},
		"url with bad port":      {connector.Parameter{Kind: connector.KindURL}, "https://system.example.com:99999", "port"},
		"hostname with scheme":   {connector.Parameter{Kind: connector.KindHostname}, "https://kyma.example.com", "without https://"},
		"hostname with path":     {connector.Parameter{Kind: connector.KindHostname}, "kyma.example.com/x", "want a host name"},
		"text of two lines":      {connector.Parameter{Kind: connector.KindText}, "a\nb", "one line"},
		"empty secret":           {connector.Parameter{Kind: connector.KindSecret}, "", "is empty"},
		"blank secret":           {connector.Parameter{Kind: connector.KindSecret}, " \n", "is empty"},
		"resource name":          {connector.Parameter{Kind: connector.KindResourceName}, "My App", "resource name"},
		"integer":                {connector.Parameter{Kind: connector.KindInteger}, "1e6", "whole number"},
		"boolean":                {connector.Parameter{Kind: connector.KindBoolean}, "yes", "true or false"},
		"enum":                   {connector.Parameter{Kind: connector.KindText, Enum: []string{"a", "b"}}, "c", "one of a, b"},
		"pattern is whole":       {connector.Parameter{Kind: connector.KindText, Pattern: "a|b"}, "ab", "matches a|b"},
		"pattern of a list item": {connector.Parameter{Kind: connector.KindList, Pattern: "[a-z]"}, "a,1", `not "1"`},
		"not UTF-8":              {connector.Parameter{Kind: connector.KindText}, "\xff", "UTF-8"},
		"required and absent":    {connector.Parameter{Kind: connector.KindText, Required: true, Title: "A Title"}, "", `"A Title"`},
		"generated and absent":   {connector.Parameter{Kind: connector.KindText, Generate: &connector.Generate{}}, "", "registration-job prepare"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := form(map[string]connector.Parameter{"p": tc.parameter}).ResolveParams(map[string]string{"p": tc.given})
			require.ErrorContains(t, err, tc.want)
			assert.ErrorContains(t, err, `parameter "p"`)
			assert.NotContains(t, err.Error(), "hidden", "a URL's password must not be quoted")
		})
	}
}

func TestResolveParamsReportsEverythingAtOnceAndNoSecret(t *testing.T) {
	t.Parallel()
	d := form(map[string]connector.Parameter{
		"system_url": {Kind: connector.KindURL, Required: true, Title: "System URL"},
		"password":   {Kind: connector.KindSecret, Required: true, Pattern: "[0-9]+"},
		"token":      {Kind: connector.KindSecret, Required: true},
	})
	_, err := d.ResolveParams(map[string]string{"sytem_url": "https://x", "password": "hunter2"})
	var problems connector.Problems
	require.ErrorAs(t, err, &problems)
	assert.Len(t, problems, 4)
	assert.ErrorContains(t, err, `did you mean "system_url"?`)
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestWithoutGenerated(t *testing.T) {
	t.Parallel()
	d := form(map[string]connector.Parameter{"key": {Kind: connector.KindSecret, Required: true, Generate: &connector.Generate{Length: 32}}})
	params, err := d.ResolveParams(nil, connector.WithoutGenerated())
	require.NoError(t, err)
	assert.False(t, params.Has("key"))
}

func TestParamsNeverPrintSecrets(t *testing.T) {
	t.Parallel()
	params, err := form(map[string]connector.Parameter{"p": {Kind: connector.KindSecret}}).ResolveParams(map[string]string{"p": "hunter2"})
	require.NoError(t, err)
	assert.Equal(t, "hunter2", params.Secret("p").Reveal())
	assert.Equal(t, "hunter2", params.Input().Params["p"], "expressions see the value")
	require.Len(t, params.Secrets(), 1)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("ready", "params", params, "input", params.Input())
	secrettest.AssertNoLeak(t, log.String(), params.Secrets()...)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		secrettest.AssertNoLeak(t, fmt.Sprintf(format+format, params, params.Input()), params.Secrets()...)
	}
}

// mount writes a volume as Kubernetes does: a time-stamped directory, ..data pointing to it, and one link
// per key.
func mount(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	const stamp = "..2024_01_01_00_00_00.1"
	require.NoError(t, os.Mkdir(filepath.Join(dir, stamp), 0o755))
	require.NoError(t, os.Symlink(stamp, filepath.Join(dir, "..data")))
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, stamp, name), []byte(content), 0o600))
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	return dir
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "params.yaml")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func places() *connector.Definition {
	return form(map[string]connector.Parameter{
		"system_url": {Kind: connector.KindURL},
		"user":       {Kind: connector.KindText},
		"password":   {Kind: connector.KindSecret},
		"tags":       {Kind: connector.KindList},
		"on":         {Kind: connector.KindBoolean},
	})
}

func TestReadParamsLaterPlacesWin(t *testing.T) {
	t.Parallel()
	generated := mount(t, map[string]string{"user": "generated", "password": "generated\n"})
	config := mount(t, map[string]string{"user": "given", "system_url": "https://system.example.com/", "other-key": "of somebody else"})
	credentials := write(t, "password: 0123\ntags: [a, b]\non: true\n")
	params, err := places().ReadParams(generated, config, credentials)
	require.NoError(t, err)
	assert.Equal(t, "given", params.Get("user"))
	assert.Equal(t, "https://system.example.com", params.Get("system_url"))
	assert.Equal(t, "0123", params.Secret("password").Reveal(), "a scalar is taken as it is written")
	assert.Equal(t, []string{"a", "b"}, params.Input().Lists["tags"])
	assert.Equal(t, "true", params.Get("on"))
}

func TestReadParamsFromPlainDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "user"), []byte("me\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".hidden"), []byte("x"), 0o600))
	params, err := places().ReadParams(dir)
	require.NoError(t, err)
	assert.Equal(t, "me", params.Get("user"))
}

func TestReadParamsFromEmptyMount(t *testing.T) {
	t.Parallel()
	params, err := places().ReadParams(mount(t, nil))
	require.NoError(t, err, "an optional Secret that does not exist is mounted with no key")
	assert.False(t, params.Has("user"))
}

func TestReadParamsHalfWritten(t *testing.T) {
	t.Parallel()
	withoutData := mount(t, map[string]string{"user": "me"})
	require.NoError(t, os.Remove(filepath.Join(withoutData, "..data")))
	dangling := mount(t, map[string]string{"user": "me"})
	require.NoError(t, os.RemoveAll(filepath.Join(dangling, "..2024_01_01_00_00_00.1")))
	directory := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(directory, "user"), 0o755))
	link := t.TempDir()
	require.NoError(t, os.Symlink("nowhere", filepath.Join(link, "user")))
	large := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(large, "user"), make([]byte, 1<<20+1), 0o600))
	for name, tc := range map[string]struct{ place, want string }{
		"absent":                      {filepath.Join(t.TempDir(), "none"), "there is no such directory or file"},
		"empty":                       {t.TempDir(), "nothing is mounted here yet"},
		"..data missing":              {withoutData, "half-written mount"},
		"..data leads nowhere":        {dangling, "half-written mount"},
		"a directory for a parameter": {directory, "cannot be read"},
		"a link that leads nowhere":   {link, "cannot be read"},
		"too large":                   {large, "larger than 1 MiB"},
		"empty secret":                {mount(t, map[string]string{"password": "\n"}), `parameter "password": its file`},
		"truncated YAML":              {write(t, "user: \"me"), "is not YAML"},
		"YAML that is no mapping":     {write(t, "- a"), "is not a list of parameters"},
		"unknown parameter":           {write(t, "usr: me"), `did you mean "user"?`},
		"nested value":                {write(t, "user: {a: b}"), "want a text"},
		"given twice":                 {write(t, "user: a\nuser: b"), "given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := places().ReadParams(tc.place)
			require.ErrorContains(t, err, tc.want)
			assert.ErrorContains(t, err, tc.place)
		})
	}
}
