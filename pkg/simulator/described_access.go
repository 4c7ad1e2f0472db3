package simulator

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/gigya"
)

// Access is one way to sign in to a described system: all that is set has to be right.
type Access struct {
	// Headers and Query are what has to come with each call.
	Headers map[string]string
	Query   map[string][]string
	// OAuth2, JWT and Signed are credentials that are made for a call, or for a while.
	OAuth2 *OAuth2Access
	JWT    *JWTAccess
	Signed *SignedAccess
	// Certificate is the client's certificate, PEM.
	Certificate []byte
}

// BasicAccess is HTTP Basic.
func BasicAccess(user, password string) Access {
	return Access{Headers: map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

func (a Access) basic() bool { return strings.HasPrefix(a.Headers["Authorization"], "Basic ") }

// OAuth2Access is a token endpoint: what it issues lets in.
type OAuth2Access struct {
	// URL is the token endpoint's address.
	URL string
	// ClientID and ClientSecret may be empty for grants that need no client. InBody wants them in the form;
	// otherwise they come as Basic auth.
	ClientID, ClientSecret string
	InBody                 bool
	// Form and Headers have to come with the token request, the grant type included. A field may come in the
	// query, too.
	Form, Headers map[string]string
	// Lifetime of a token; 0 means an hour.
	Lifetime time.Duration
}

// JWTAccess is a token that the caller signs by RS256.
type JWTAccess struct {
	// Key is the RSA key in PEM, private or public.
	Key []byte
	// KeyID has to be the token's kid, if it is set.
	KeyID string
	// Claims have to be in the token with these values.
	Claims map[string]json.RawMessage
	// Expires demands the claim exp.
	Expires bool
}

// SignedAccess is a signature over method, address and query by HMAC-SHA1, as OAuth 1.0 has it.
type SignedAccess struct {
	UserKey string
	// Secret is Base64.
	Secret string
}

// gate says why a call is refused; empty where it is let in.
type gate interface{ refuses(r *http.Request) string }

// gates refuse what any one of them refuses.
type gates []gate

func (g gates) refuses(r *http.Request) string {
	for _, one := range g {
		if problem := one.refuses(r); problem != "" {
			return problem
		}
	}
	return ""
}

func (s *Described) newGate(a *Access) (gate, error) {
	all := gates{&staticGate{a.Headers, a.Query}}
	if a.OAuth2 != nil {
		t, err := s.tokenGate(a.OAuth2)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	if a.JWT != nil {
		key, err := publicKey(a.JWT.Key)
		if err != nil {
			return nil, err
		}
		all = append(all, &jwtGate{a.JWT, key})
	}
	if a.Signed != nil {
		all = append(all, &signedGate{&gigya.Guard{UserKey: a.Signed.UserKey, Secrets: []string{a.Signed.Secret}}})
	}
	if len(a.Certificate) > 0 {
		block, _ := pem.Decode(a.Certificate)
		if block == nil {
			return nil, errors.New("the client certificate is no PEM text")
		}
		all = append(all, certificateGate(block.Bytes))
	}
	return all, nil
}

// staticGate wants headers and query parameters.
type staticGate struct {
	headers map[string]string
	query   map[string][]string
}

func (g *staticGate) refuses(r *http.Request) string {
	for name, value := range g.headers {
		if !same(r.Header.Get(name), value) {
			return "the header " + name + " is missing or wrong"
		}
	}
	query := r.URL.Query()
	for name, values := range g.query {
		if !slices.EqualFunc(query[name], values, same) {
			return "the query parameter " + name + " is missing or wrong"
		}
	}
	return ""
}

// tokenGate issues bearer tokens, and lets in who has one.
type tokenGate struct {
	*OAuth2Access
	url *url.URL

	mu     sync.Mutex
	issued map[string]time.Time // until when
}

// tokenGate is the gate of a token endpoint; those of the same address and client are one.
func (s *Described) tokenGate(o *OAuth2Access) (*tokenGate, error) {
	for _, t := range s.tokens {
		if reflect.DeepEqual(t.OAuth2Access, o) {
			return t, nil
		}
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("the token endpoint has no address")
	}
	t := &tokenGate{OAuth2Access: o, url: u, issued: map[string]time.Time{}}
	s.tokens = append(s.tokens, t)
	return t, nil
}

func (t *tokenGate) serves(r *http.Request) bool {
	return strings.EqualFold(withoutPort(r.Host), t.url.Hostname()) && strings.TrimRight(r.URL.Path, "/") == strings.TrimRight(t.url.Path, "/")
}

// ServeHTTP issues a token.
func (t *tokenGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "a token is asked for by a POST of a form"})
		return
	}
	if code, problem := t.wrong(r); problem != "" {
		status := http.StatusBadRequest
		if code == "invalid_client" {
			status = http.StatusUnauthorized
		}
		writeJSON(w, status, map[string]string{"error": code, "error_description": problem})
		return
	}
	lifetime := cmp.Or(t.Lifetime, time.Hour)
	token := randomText(40)
	t.mu.Lock()
	maps.DeleteFunc(t.issued, func(_ string, until time.Time) bool { return time.Now().After(until) })
	t.issued[token] = time.Now().Add(lifetime)
	t.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds())})
}

// wrong says what is wrong with a token request, in the words of OAuth 2.0. A client that sends its credentials in
// both places has to have them right in both.
func (t *tokenGate) wrong(r *http.Request) (code, problem string) {
	if t.ClientID != "" {
		// RFC 6749 has id and secret encoded; most clients do not, and then it makes no difference.
		user, password, basic := r.BasicAuth()
		right := func(id, secret string) bool { return same(id, t.ClientID) && same(secret, t.ClientSecret) }
		decoded := func(s string) string {
			if plain, err := url.QueryUnescape(s); err == nil {
				return plain
			}
			return s
		}
		basicRight := right(user, password) || right(decoded(user), decoded(password))
		form := r.PostForm.Has("client_secret")
		formRight := right(r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"))
		switch {
		case basic && !basicRight, form && !formRight:
			return "invalid_client", "client id or secret is wrong"
		case t.InBody && !form:
			return "invalid_client", "client_id and client_secret are missing in the form"
		case !t.InBody && !basic:
			return "invalid_client", "client id and secret are missing: they are sent as Basic auth"
		}
	}
	for name, value := range t.Headers {
		if !same(r.Header.Get(name), value) {
			return "invalid_request", "the header " + name + " is missing or wrong"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Form)) {
		if !same(r.Form.Get(name), t.Form[name]) {
			return "invalid_grant", "the field " + name + " is missing or wrong"
		}
	}
	return "", ""
}

func (t *tokenGate) refuses(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.issued[token]
	switch {
	case !ok:
		return "a bearer token is missing"
	case !known:
		return "the bearer token was not issued here"
	case time.Now().After(until):
		return "the bearer token has expired"
	}
	return ""
}

// jwtGate checks tokens that the caller signs.
type jwtGate struct {
	*JWTAccess
	key *rsa.PublicKey
}

func (g *jwtGate) refuses(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		return "a JSON Web Token is missing in the Authorization header"
	}
	var header struct{ Alg, Kid string }
	claims := map[string]json.RawMessage{}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) {
		return "the bearer token is no JSON Web Token"
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch {
	case header.Alg != "RS256" || rsa.VerifyPKCS1v15(g.key, crypto.SHA256, digest[:], signature) != nil:
		return "the token is not signed by the key that is known here"
	case g.KeyID != "" && !same(header.Kid, g.KeyID):
		return "the token's kid is not known here"
	}
	return g.wrongClaim(claims)
}

// wrongClaim says which claim lets a token down.
func (g *jwtGate) wrongClaim(claims map[string]json.RawMessage) string {
	for _, name := range slices.Sorted(maps.Keys(g.Claims)) {
		if !bytes.Equal(claims[name], g.Claims[name]) {
			return "the token's claim " + name + " is missing or wrong"
		}
	}
	at := func(name string) (time.Time, bool) {
		var seconds float64
		if claims[name] == nil || json.Unmarshal(claims[name], &seconds) != nil {
			return time.Time{}, false
		}
		return time.Unix(int64(seconds), 0), true
	}
	expires, hasExpiry := at("exp")
	issued, hasIssue := at("iat")
	switch {
	case g.Expires && !hasExpiry, hasExpiry && time.Now().After(expires):
		return "the token has expired, or does not say when it does"
	case hasIssue && time.Until(issued) > gigya.Window:
		return "the token was issued in the future"
	}
	return ""
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// publicKey reads the public key out of a PEM text that holds it, alone or in a private key.
func publicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key of the tokens is no PEM text")
	}
	for _, parse := range []func([]byte) (any, error){
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		x509.ParsePKCS8PrivateKey,
		x509.ParsePKIXPublicKey,
	} {
		switch key, _ := parse(block.Bytes); key := key.(type) {
		case *rsa.PrivateKey:
			if key != nil {
				return &key.PublicKey, nil
			}
		case *rsa.PublicKey:
			return key, nil
		}
	}
	return nil, fmt.Errorf("the key of the tokens is no RSA key but a PEM text of %q", block.Type)
}

// signedGate checks signatures; each may be used once.
type signedGate struct{ guard *gigya.Guard }

func (g *signedGate) refuses(r *http.Request) string {
	if r.URL.Query().Get("sig") == "" {
		return "the call is not signed: the query parameter sig is missing"
	}
	signed := r.Clone(r.Context())
	signed.Header.Del("Authorization") // a token is no signature
	if p := g.guard.Check(signed, origin(r)+r.URL.EscapedPath()); p != nil {
		return strings.ToLower(p.Message) + ": " + p.Details
	}
	return ""
}

// certificateGate wants one client certificate.
type certificateGate []byte

func (g certificateGate) refuses(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "a client certificate is missing"
	}
	if !bytes.Equal(r.TLS.PeerCertificates[0].Raw, g) {
		return "the client certificate is not known here"
	}
	return ""
}

// withoutPort is the name in a Host header.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
