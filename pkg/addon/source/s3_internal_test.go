package source

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The examples of AWS's own documentation of Signature Version 4.
func TestSignIsThatOfAWS(t *testing.T) {
	t.Parallel()
	b := bucket{region: "us-east-1", keys: s3Keys{id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}}
	for query, want := range map[string]string{
		"max-keys=2&prefix=J": "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
		"lifecycle=":          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://examplebucket.s3.amazonaws.com/?"+query, http.NoBody)
		require.NoError(t, err)
		b.sign(r, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
		assert.Equal(t, "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="+want, r.Header.Get("Authorization"))
	}
}

func TestParseS3TakesAddressesApartAsTheBrokerDoes(t *testing.T) {
	t.Parallel()
	keys := s3Keys{"i", "s", ""}
	for address, want := range map[string]bucket{
		"https://s3.amazonaws.com/b/a":                  {"https://s3.amazonaws.com", "us-east-1", "b", "a", keys},
		"https://s3-eu-west-1.amazonaws.com/b/a/c/":     {"https://s3-eu-west-1.amazonaws.com", "eu-west-1", "b", "a/c", keys},
		"https://b.s3-eu-west-1.amazonaws.com/a":        {"https://b.s3-eu-west-1.amazonaws.com", "eu-west-1", "b", "a", keys},
		"https://b.s3.eu-west-1.amazonaws.com/a":        {"https://b.s3.eu-west-1.amazonaws.com", "eu-west-1", "b", "a", keys},
		"https://minio.example.com:9000/b":              {"https://minio.example.com:9000", "us-east-1", "b", "", keys},
		"http://minio.example.com/b/a?region=somewhere": {"http://minio.example.com", "somewhere", "b", "a", keys},
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		q := u.Query()
		q.Set("aws_access_key_id", "i")
		q.Set("aws_access_key_secret", "s")
		u.RawQuery = q.Encode()
		got, err := parseS3(u.String())
		require.NoError(t, err)
		assert.Equal(t, want, got, address)
	}
}

func TestEscapePath(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "a/b-._~%20%2B%25%C3%A4%3D", escapePath("a/b-._~ +%ä="))
}
