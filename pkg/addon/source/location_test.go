package source_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
)

func TestAddressesThatHelmBrokerTakes(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]source.Location{
		"https://addons.example.com/index.yaml":                         {Getter: source.HTTPS, Address: "https://addons.example.com/index.yaml"},
		"http://addons.example.com/a/index-2.yaml":                      {Getter: source.HTTP, Address: "http://addons.example.com/a/index-2.yaml"},
		"git::https://example.com/a/b.git//addons/index.yaml?ref=main":  {Getter: source.Git, Address: "https://example.com/a/b.git?ref=main", Index: "addons/index.yaml"},
		"git::file:///srv/b.git//index.yaml":                            {Getter: source.Git, Address: "file:///srv/b.git", Index: "index.yaml"},
		"github.com/sap/xf-addons//addons/index.yaml?ref=0.11":          {Getter: source.Git, Address: "https://github.com/sap/xf-addons.git?ref=0.11", Index: "addons/index.yaml"},
		"bitbucket.org/a/b//index.yaml":                                 {Getter: source.Git, Address: "https://bitbucket.org/a/b.git", Index: "index.yaml"},
		"git::git@github.com:a/b.git//index.yaml":                       {Getter: source.Git, Address: "ssh://git@github.com/a/b.git", Index: "index.yaml"},
		"hg::https://hg.example.com/a//index.yaml?rev=1":                {Getter: source.Hg, Address: "https://hg.example.com/a?rev=1", Index: "index.yaml"},
		"s3::https://s3-eu.amazonaws.com/b/addons//index.yaml?region=x": {Getter: source.S3, Address: "https://s3-eu.amazonaws.com/b/addons?region=x", Index: "index.yaml"},
		"https://{user}:{password}@example.com/index.yaml":              {Getter: source.HTTPS, Address: "https://{user}:{password}@example.com/index.yaml", Placeholders: []string{"user", "password"}},
		"git::ssh://git@{host}/a.git//index.yaml?sshkey={key}":          {Getter: source.Git, Address: "ssh://git@{host}/a.git?sshkey={key}", Index: "index.yaml", Placeholders: []string{"host", "key"}},
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			got, err := source.Parse(raw)
			require.NoError(t, err)
			want.Raw = raw
			assert.Equal(t, &want, got)
		})
	}
}

func TestAddressesThatItDoesNotTake(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                                      "is empty",
		"https://h/a b.yaml":                    "white space",
		"file:///srv/index.yaml":                `fetches by "file"`,
		"gcs::https://h/b//index.yaml":          `fetches by "gcs"`,
		"index.yaml":                            "fetches by",
		"https:///index.yaml":                   "names no host",
		"https://h/repo.git":                    "write git::https://h/repo.git//addons/index.yaml?ref=main",
		"https://h/":                            "write the index too",
		"https://h/index.yaml#x":                "fragment",
		"git::https://h/repo.git":               "comes after //, such as git::https://h/repo.git//addons/index.yaml",
		"hg::https://h/":                        "such as hg::https://h//addons/index.yaml",
		"git::https://u:secret@h/repo.git":      "git::https://h/repo.git//",
		"git::https://h/repo.git//../etc/index": "not clean",
		"https://h:port/index.yaml":             "it is no address",
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			_, err := source.Parse(raw)
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestCredentialsAreFoundAndHidden(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]struct{ literal, shown string }{
		"https://u:secret@h/index.yaml":                               {"the password before the host", "https://u:xxxxx@h/index.yaml"},
		"git::https://h/a.git//index.yaml?sshkey=secret":              {"the query parameter sshkey", "git::https://h/a.git//index.yaml?sshkey=xxxxx"},
		"s3::https://h/b//index.yaml?aws_access_key_secret=secret":    {"the query parameter aws_access_key_secret", "s3::https://h/b//index.yaml?aws_access_key_secret=xxxxx"},
		"https://{u}:{p}@h/index.yaml":                                {"", "https://{u}:{p}@h/index.yaml"},
		"s3::https://h/b//index.yaml?aws_access_key_id={i}&region=eu": {"", "s3::https://h/b//index.yaml?aws_access_key_id={i}&region=eu"},
		"https://u@h/index.yaml":                                      {"", "https://u@h/index.yaml"},
		"git::https://h/a.git//addons/index.yaml?ref=main":            {"", "git::https://h/a.git//addons/index.yaml?ref=main"},
		"https://{u}:secret@h/index.yaml":                             {"the password before the host", "https://{u}:secret@h/index.yaml"},
	} {
		l, err := source.Parse(raw)
		require.NoError(t, err, raw)
		assert.Equal(t, want.literal, l.Literal(), raw)
		if l.Literal() == "" || len(l.Placeholders) == 0 {
			assert.Equal(t, want.shown, l.Shown())
		}
	}
}

func TestTheValuesOfASecretAreFilledIn(t *testing.T) {
	t.Parallel()
	l, err := source.Parse("https://{u}:{p}@h/{p}/index.yaml")
	require.NoError(t, err)
	_, err = l.Fill(map[string]string{"u": "me"})
	require.ErrorContains(t, err, "the key {p}, which the Secret does not hold")
	filled, err := l.Fill(map[string]string{"u": "me", "p": "12\n"})
	require.NoError(t, err)
	assert.Equal(t, "https://me:12@h/12/index.yaml", filled.Address)
	assert.Equal(t, "https://{u}:{p}@h/{p}/index.yaml", filled.Shown(), "what is shown has no values")
}

func TestResources(t *testing.T) {
	t.Parallel()
	parse := func(raw string) *source.Location {
		l, err := source.Parse(raw)
		require.NoError(t, err)
		return l
	}
	open, closed := parse("https://h/index.yaml"), parse("https://{u}:{p}@h/index.yaml")
	got, err := source.NewResource(source.Request{Name: "a", Locations: []*source.Location{open, closed}, Secret: source.SecretRef{Name: "s", Namespace: "n"}, Reprocess: 3})
	require.NoError(t, err)
	assert.Equal(t, &source.Resource{
		APIVersion: "addons.kyma-project.io/v1alpha1", Kind: "ClusterAddonsConfiguration", Metadata: source.Metadata{Name: "a"},
		Spec: source.Spec{ReprocessRequest: 3, Repositories: []source.Item{
			{URL: open.Raw}, {URL: closed.Raw, SecretRef: &source.SecretRef{Name: "s", Namespace: "n"}},
		}},
	}, got)
	got, err = source.NewResource(source.Request{Name: "a", Namespace: "shop", Locations: []*source.Location{closed}, Secret: source.SecretRef{Name: "s"}})
	require.NoError(t, err)
	assert.Equal(t, "AddonsConfiguration", got.Kind)
	assert.Equal(t, source.Metadata{Name: "a", Namespace: "shop"}, got.Metadata)

	for want, r := range map[string]source.Request{
		"no repository":                         {Name: "a"},
		"Kubernetes takes lower-case letters":   {Name: "A_b", Locations: []*source.Location{open}},
		"name it with --secret":                 {Name: "a", Locations: []*source.Location{closed}},
		"name it with --secret-namespace":       {Name: "a", Locations: []*source.Location{closed}, Secret: source.SecretRef{Name: "s"}},
		"no address names a key of it":          {Name: "a", Locations: []*source.Location{open}, Secret: source.SecretRef{Name: "s", Namespace: "n"}},
		"is named twice":                        {Name: "a", Locations: []*source.Location{open, open}},
		"the password before the host is in cl": {Name: "a", Locations: []*source.Location{parse("https://u:p@h/index.yaml")}},
	} {
		_, err := source.NewResource(r)
		require.ErrorContains(t, err, want)
	}
}

func TestDefaultNames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"git::https://example.com/a/My-Addons.git//addons/index.yaml?ref=main": "my-addons",
		"https://example.com/acme/index.yaml":                                  "acme",
		"https://addons.example.com/index.yaml":                                "addons-example-com",
		"https://{user}:{password}@addons.example.com:8443/index.yaml":         "addons-example-com",
		"https://{host}/index.yaml":                                            "addons",
	} {
		l, err := source.Parse(raw)
		require.NoError(t, err)
		assert.Equal(t, want, l.DefaultName(), raw)
	}
}
