package system

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the systems that sign calls in this way verify SHA-1, as OAuth 1.0 has it
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// useSigned signs method, address and query of each call by HMAC-SHA1, as OAuth 1.0 does; the body is not
// signed.
func (a *Authorization) useSigned(s *connector.SignedAuth, e *Evaluator) (wrong string) {
	a.Kind = KindSigned
	userKey, encoded := e.Text(s.UserKey), e.Text(s.Secret)
	if e.Err != nil {
		return ""
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case userKey == "" || encoded == "":
		return "user key or secret is empty"
	case err != nil:
		return "the secret for signed calls is not base64"
	}
	a.sign = func(r *http.Request) error {
		number, err := rand.Int(rand.Reader, big.NewInt(1<<53))
		if err != nil {
			return errNoSignature
		}
		query := r.URL.Query()
		query.Set("userKey", userKey)
		query.Set("timestamp", strconv.FormatInt(time.Now().UnixMilli(), 10))
		query.Set("nonce", number.String())
		query.Del("sig")
		query.Set("sig", signature(key, r.Method, r.URL, query))
		r.URL.RawQuery = query.Encode()
		return nil
	}
	return ""
}

// signature is the base64 of HMAC-SHA1 over the base string.
func signature(key []byte, method string, address *url.URL, query url.Values) string {
	mac := hmac.New(sha1.New, key)
	_, _ = mac.Write([]byte(baseString(method, address, query)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// baseString is method, address without query, and the sorted query, each encoded and joined by &.
func baseString(method string, address *url.URL, query url.Values) string {
	var pairs []string
	for name, values := range query {
		for _, value := range values {
			pairs = append(pairs, encodeStrictly(name)+"="+encodeStrictly(value))
		}
	}
	slices.Sort(pairs)
	host := strings.ToLower(address.Scheme + "://" + address.Host)
	return strings.ToUpper(method) + "&" + encodeStrictly(host+address.EscapedPath()) + "&" + encodeStrictly(strings.Join(pairs, "&"))
}

// encodeStrictly encodes all but the unreserved characters of RFC 3986.
func encodeStrictly(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
