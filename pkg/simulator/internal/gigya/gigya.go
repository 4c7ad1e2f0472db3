// Package gigya checks who calls, in the three ways that the platforms which grew out of Gigya know: user
// key and secret in the query, a request signed with the secret, and a signed JSON Web Token.
package gigya

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// Window is how far the time of a signed request may be off. The real one could not be verified.
	Window = 5 * time.Minute
	// maxNonces bounds the nonces that are remembered.
	maxNonces = 100_000
)

// Problem is why a call is refused.
type Problem struct {
	Status  int
	Code    int
	Message string
	Details string
}

// Guard knows one user key.
type Guard struct {
	UserKey string
	// Secrets are the secrets of the key, Base64 text; PublicKey checks tokens. Both may be missing, and
	// then nobody comes in that way.
	Secrets   []string
	PublicKey *rsa.PublicKey
	// Now tells the time; nil means time.Now.
	Now func() time.Time

	mu     sync.Mutex
	nonces map[string]bool
}

// Check says why a call is refused, or nil. address is the one that the caller used, without a query.
func (g *Guard) Check(r *http.Request, address string) *Problem {
	query := r.URL.Query()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case bearer:
		return g.checkToken(token)
	case query.Get("userKey") == "":
		return &Problem{http.StatusUnauthorized, 403005, "Unauthorized user", "no credentials: neither userKey nor a bearer token"}
	case !equal(query.Get("userKey"), g.UserKey):
		return &Problem{http.StatusForbidden, 403005, "Unauthorized user", "the userKey is not known"}
	case query.Get("sig") != "":
		return g.checkSignature(r.Method, address, query)
	case query.Get("secret") == "":
		return &Problem{http.StatusBadRequest, 400002, "Missing required parameter", "neither secret nor sig"}
	case !slices.ContainsFunc(g.Secrets, func(secret string) bool { return equal(secret, query.Get("secret")) }):
		return &Problem{http.StatusForbidden, 403003, "Invalid request signature", "the secret is not that of the userKey"}
	}
	return nil
}

func (g *Guard) checkSignature(method, address string, query url.Values) *Problem {
	milliseconds, err := strconv.ParseInt(query.Get("timestamp"), 10, 64)
	if err != nil || query.Get("nonce") == "" {
		return &Problem{http.StatusBadRequest, 400002, "Missing required parameter", "a signed request needs timestamp, in milliseconds, and nonce"}
	}
	base := BaseString(method, address, query)
	if !slices.ContainsFunc(g.Secrets, func(secret string) bool { return equal(Sign(secret, base), query.Get("sig")) }) {
		details := "the base string is " + base
		if query.Has("secret") {
			details = "a signed request does not send the secret"
		}
		return &Problem{http.StatusForbidden, 403003, "Invalid request signature", details}
	}
	if !g.current(time.UnixMilli(milliseconds)) {
		return &Problem{http.StatusForbidden, 403002, "Request has expired", "timestamp is milliseconds since 1970"}
	}
	if !g.fresh(query.Get("nonce")) {
		return &Problem{http.StatusForbidden, 403004, "Duplicate nonce", "each request needs a new nonce"}
	}
	return nil
}

func (g *Guard) checkToken(token string) *Problem {
	refuse := func(details string) *Problem {
		return &Problem{http.StatusForbidden, 403003, "Invalid request signature", details}
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return refuse("the bearer token is no JSON Web Token")
	}
	var header struct{ Alg, Typ, Kid string }
	var claims struct {
		IssuedAt *int64 `json:"iat"`
		ID       string `json:"jti"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decode(parts[0], &header) || !decode(parts[1], &claims) {
		return refuse("the bearer token is no JSON Web Token")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch {
	case header.Alg != "RS256" || header.Typ != "JWT":
		return refuse("the token's header is not of alg RS256 and typ JWT")
	case !equal(header.Kid, g.UserKey):
		return &Problem{http.StatusForbidden, 403005, "Unauthorized user", "the token's kid is not a known userKey"}
	case g.PublicKey == nil || rsa.VerifyPKCS1v15(g.PublicKey, crypto.SHA256, digest[:], signature) != nil:
		return refuse("the token is not signed with the application's private key")
	case claims.IssuedAt == nil || claims.ID == "":
		return refuse("the token needs the claims iat and jti")
	case !g.current(time.Unix(*claims.IssuedAt, 0)):
		return &Problem{http.StatusForbidden, 403002, "Request has expired", "iat is seconds since 1970"}
	}
	return nil
}

func decode(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// current says whether a time is near enough to now.
func (g *Guard) current(at time.Time) bool {
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	return now().Sub(at).Abs() <= Window
}

// fresh says whether a nonce was never seen, and remembers it.
func (g *Guard) fresh(nonce string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.nonces[nonce] {
		return false
	}
	if g.nonces == nil || len(g.nonces) >= maxNonces {
		g.nonces = map[string]bool{}
	}
	g.nonces[nonce] = true
	return true
}

// BaseString is what is signed: the method, the address and all parameters but the signature.
func BaseString(method, address string, query url.Values) string {
	names := []string{}
	for name := range query {
		if name != "sig" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	pairs := []string{}
	for _, name := range names {
		pairs = append(pairs, name+"="+encode(query.Get(name)))
	}
	scheme, rest, _ := strings.Cut(address, "://")
	host, path, _ := strings.Cut(rest, "/")
	address = strings.ToLower(scheme+"://"+host) + "/" + path
	return strings.ToUpper(method) + "&" + encode(address) + "&" + encode(strings.Join(pairs, "&"))
}

// Sign is the signature of a base string, empty if the secret is no Base64 text.
func Sign(secret, base string) string {
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return ""
	}
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(base))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// encode is percent encoding as RFC 3986 has it: only letters, digits and -._~ stay.
func encode(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func equal(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
