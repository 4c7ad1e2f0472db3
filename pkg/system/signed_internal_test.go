package system

import (
	"encoding/base64"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignature is a known vector.
func TestSignature(t *testing.T) {
	t.Parallel()
	key, err := base64.StdEncoding.DecodeString("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	require.NoError(t, err)
	address, err := url.Parse("https://CDP.eu5.gigya.com/api/businessunits/BU1/applications/APP1/dataevents/EV1/event")
	require.NoError(t, err)
	query := url.Values{"userKey": {"TESTKEY"}, "timestamp": {"1700000000000"}, "nonce": {"42"}}
	assert.Equal(t, "POST&https%3A%2F%2Fcdp.eu5.gigya.com%2Fapi%2Fbusinessunits%2FBU1%2Fapplications%2FAPP1%2Fdataevents%2FEV1%2Fevent&nonce%3D42%26timestamp%3D1700000000000%26userKey%3DTESTKEY",
		baseString("post", address, query))
	assert.Equal(t, "//ZVKOGM1eE90tWNIyrv31oFEI0=", signature(key, "POST", address, query))
	assert.Equal(t, "a%20%21%2A%27%28%29-._~%2B%C3%A4", encodeStrictly("a !*'()-._~+ä"))
}

func TestLinkHeaders(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`<https://x/?page=2>; rel="next", <https://x/?page=9>; rel="last"`: "https://x/?page=2",
		`<https://x/?page=1>; rel="prev", </list?page=3>; rel=next`:        "/list?page=3",
		`<https://x/a,b>; title="a, b"; rel="next"`:                        "https://x/a,b",
		`<https://x/?page=9>; rel="last"`:                                  "",
		`<https://x`:                                                       "",
		`garbage`:                                                          "",
		``:                                                                 "",
	} {
		assert.Equal(t, want, nextLink(header), header)
	}
}
