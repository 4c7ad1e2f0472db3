package system

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// minKeyBits is the size below which an RSA key protects nothing.
const minKeyBits = 2048

// useJWT signs a token for each call: an RFC 7519 token in an Authorization header.
func (a *Authorization) useJWT(j *connector.JWTAuth, e *Evaluator) (wrong string) {
	a.Kind = KindJWT
	keyID := e.Text(j.KeyID)
	pemKey := e.Text(j.Key)
	if e.Err != nil {
		return ""
	}
	key, err := parseRSAKey(pemKey)
	if err != nil {
		return err.Error()
	}
	signer := &jwtSigner{key: key, keyID: keyID, claims: j.Claims, lifetime: time.Duration(j.Lifetime), in: e.In}
	if _, err := signer.token(time.Now()); err != nil {
		e.Err = err
		return ""
	}
	a.sign = func(r *http.Request) error {
		token, err := signer.token(time.Now())
		if err != nil {
			return errNoSignature
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
	return ""
}

type jwtSigner struct {
	key      *rsa.PrivateKey
	keyID    string
	claims   map[string]connector.Value
	lifetime time.Duration
	in       expression.Input
}

// token makes a token that is used once.
func (s *jwtSigner) token(now time.Time) (string, error) {
	header := map[string]string{"alg": "RS256", "typ": "JWT"}
	if s.keyID != "" {
		header["kid"] = s.keyID
	}
	claims := map[string]any{"iat": now.Unix()}
	if s.lifetime > 0 {
		claims["exp"] = now.Add(s.lifetime).Unix()
	}
	e := Evaluator{In: s.in}
	e.In.Vars = map[string]string{"nonce": nonce()}
	for _, name := range slices.Sorted(maps.Keys(s.claims)) {
		if document := e.JSON(s.claims[name]); document != nil {
			claims[name] = document
		}
	}
	if e.Err != nil {
		return "", e.Err
	}
	signed, err := encodeParts(header, claims)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errNoSignature
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encodeParts(parts ...any) (string, error) {
	texts := make([]string, len(parts))
	for i, part := range parts {
		document, err := json.Marshal(part)
		if err != nil {
			return "", errors.New("a claim is no JSON")
		}
		texts[i] = base64.RawURLEncoding.EncodeToString(document)
	}
	return strings.Join(texts, "."), nil
}

// nonce is a number that was not used before: 128 random bits in hexadecimal.
func nonce() string {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // never fails: it ends the process where there is no randomness
	return hex.EncodeToString(bits[:])
}

// parseRSAKey reads a private key in PEM (PKCS #1 or #8). Its errors do not quote the key.
func parseRSAKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(repairPEM(text)))
	if block == nil {
		return nil, errors.New("the private key is no PEM: it has to begin with -----BEGIN PRIVATE KEY-----")
	}
	var key any
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	switch {
	case err != nil:
		return nil, errors.New("the private key cannot be read: want an RSA key that has no password")
	case !ok:
		return nil, errors.New("the private key is no RSA key")
	case rsaKey.N.BitLen() < minKeyBits:
		return nil, errors.New("the RSA key has fewer than 2048 bits")
	}
	return rsaKey, nil
}

// repairPEM gives PEM its line breaks back: forms of one line replace them by blanks or by \n.
func repairPEM(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, `\n`, "\n"))
	if strings.Contains(text, "\n") {
		return text + "\n"
	}
	const dashes = "-----"
	var out strings.Builder
	for rest := text; rest != ""; {
		_, after, ok := strings.Cut(rest, dashes+"BEGIN ")
		label, after, ok2 := strings.Cut(after, dashes)
		body, after, ok3 := strings.Cut(after, dashes+"END "+label+dashes)
		if !ok || !ok2 || !ok3 {
			return text
		}
		out.WriteString(dashes + "BEGIN " + label + dashes + "\n")
		out.WriteString(strings.Join(strings.Fields(body), "\n") + "\n")
		out.WriteString(dashes + "END " + label + dashes + "\n")
		rest = strings.TrimSpace(after)
	}
	return out.String()
}
