package connector

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some senders sign with it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
)

// Sign makes the signature of a message, with its prefix, as a sender does that has the key.
func (v *VerifyHMAC) Sign(key, message string) (string, error) {
	algorithms := map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}
	algorithm, ok := algorithms[v.Algorithm]
	if !ok {
		return "", fmt.Errorf("hmac algorithm %q is not known", v.Algorithm)
	}
	mac := hmac.New(algorithm, []byte(key))
	mac.Write([]byte(message))
	switch v.Encoding {
	case "hex":
		return v.Prefix + hex.EncodeToString(mac.Sum(nil)), nil
	case "base64":
		return v.Prefix + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
	}
	return "", fmt.Errorf("hmac encoding %q is not known", v.Encoding)
}

// SignatureHeader is the header that holds the signature; ok is false where the signature is made of more than
// one header, or covers more than the body.
func (v *VerifyHMAC) SignatureHeader() (name string, ok bool) {
	headers, _ := v.Signature.Reads()
	if len(headers) != 1 || v.Timestamp.IsSet() || v.Message.Source() != "=rawBody" || v.Signature.Source() != fmt.Sprintf("=header(%q)", headers[0]) {
		return "", false
	}
	return headers[0], true
}

// signable says whether somebody who knows the parameters can prove the sender by the first scheme.
func (v Verify) signable() bool {
	switch scheme := v.Schemes()[0]; {
	case scheme.Basic != nil, scheme.PathToken != nil:
		return true
	case scheme.HMAC != nil:
		_, ok := scheme.HMAC.SignatureHeader()
		return ok
	}
	return false
}
