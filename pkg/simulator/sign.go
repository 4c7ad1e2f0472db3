package simulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strings"
)

// Scheme says how a sender proves who it is. Exactly one member is set.
type Scheme struct {
	Basic  *BasicScheme
	Bearer *BearerScheme
	HMAC   *HMACScheme
	Path   *PathScheme
}

// BasicScheme is HTTP Basic.
type BasicScheme struct{ Username, Password string }

// BearerScheme is a token in a header.
type BearerScheme struct {
	Token string
	// Header is "Authorization" if empty; Prefix is put before the token, "Bearer " if Header is empty.
	Header, Prefix string
}

// HMACScheme is a keyed digest of the body or of one form field.
type HMACScheme struct {
	// Algorithm is sha1, sha256 or sha512; Encoding is hex or base64.
	Algorithm, Encoding string
	Key                 string
	// MessageField is the form field that is signed; empty means the whole body.
	MessageField string
	// The signature goes into Header or into the form field Field, after Prefix.
	Header, Field, Prefix string
}

// PathScheme is an unguessable token as the last segment of the path, instead of what is there.
type PathScheme struct{ Token string }

// Sign adds the proof of a scheme to a request and returns the body to send, which differs from the given
// one only where the signature is a form field. The request's own body is not touched.
func Sign(req *http.Request, body []byte, scheme Scheme) ([]byte, error) {
	set := 0
	for _, present := range []bool{scheme.Basic != nil, scheme.Bearer != nil, scheme.HMAC != nil, scheme.Path != nil} {
		if present {
			set++
		}
	}
	if set != 1 {
		return nil, fmt.Errorf("sign: a scheme sets exactly one kind, this one sets %d", set)
	}
	switch {
	case scheme.Basic != nil:
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(scheme.Basic.Username+":"+scheme.Basic.Password)))
	case scheme.Bearer != nil:
		header, prefix := scheme.Bearer.Header, scheme.Bearer.Prefix
		if header == "" {
			header, prefix = "Authorization", "Bearer "
		}
		req.Header.Set(header, prefix+scheme.Bearer.Token)
	case scheme.Path != nil:
		req.URL.Path, req.URL.RawPath = replaceLast(req.URL.Path, scheme.Path.Token), replaceLast(req.URL.EscapedPath(), url.PathEscape(scheme.Path.Token))
	default:
		return scheme.HMAC.sign(req, body)
	}
	return body, nil
}

func (s *HMACScheme) sign(req *http.Request, body []byte) ([]byte, error) {
	var newHash func() hash.Hash
	switch s.Algorithm {
	case "sha1":
		newHash = sha1.New
	case "sha256":
		newHash = sha256.New
	case "sha512":
		newHash = sha512.New
	default:
		return nil, fmt.Errorf("sign: algorithm %q is not sha1, sha256 or sha512", s.Algorithm)
	}
	if (s.Header == "") == (s.Field == "") {
		return nil, errors.New("sign: an hmac signature goes into a header or into a form field, one of them")
	}
	message := body
	if s.MessageField != "" {
		form, err := url.ParseQuery(string(body))
		if err != nil || !form.Has(s.MessageField) {
			return nil, fmt.Errorf("sign: the body is no form with the field %q", s.MessageField)
		}
		message = []byte(form.Get(s.MessageField))
	}
	mac := hmac.New(newHash, []byte(s.Key))
	mac.Write(message)
	var signature string
	switch s.Encoding {
	case "hex":
		signature = s.Prefix + hex.EncodeToString(mac.Sum(nil))
	case "base64":
		signature = s.Prefix + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	default:
		return nil, fmt.Errorf("sign: encoding %q is not hex or base64", s.Encoding)
	}
	if s.Header != "" {
		req.Header.Set(s.Header, signature)
		return body, nil
	}
	return setFormField(body, s.Field, signature), nil
}

// setFormField sets one field of a form and leaves the order and the spelling of the others alone.
func setFormField(body []byte, name, value string) []byte {
	field := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	pairs := strings.Split(string(body), "&")
	kept := pairs[:0]
	replaced := false
	for _, pair := range pairs {
		key, _, _ := strings.Cut(pair, "=")
		decoded, err := url.QueryUnescape(key)
		switch {
		case pair == "":
		case err == nil && decoded == name && !replaced:
			kept, replaced = append(kept, field), true
		case err == nil && decoded == name:
		default:
			kept = append(kept, pair)
		}
	}
	if !replaced {
		kept = append(kept, field)
	}
	return []byte(strings.Join(kept, "&"))
}

// replaceLast replaces the last segment of a path.
func replaceLast(path, segment string) string {
	path = strings.TrimSuffix(path, "/")
	return path[:strings.LastIndexByte(path, '/')+1] + segment
}
