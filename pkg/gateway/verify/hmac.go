package verify

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some systems sign with it, and in an HMAC it is still sound
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

var algorithms = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

var encodings = map[string]func(string) ([]byte, error){
	"hex":    hex.DecodeString,
	"base64": base64.StdEncoding.DecodeString,
}

// wholeBody is the expression of the usual message, which needs no evaluation.
const wholeBody = "=rawBody"

// keyedHash is a keyed digest over the body, a field of it or a composed text.
type keyedHash struct {
	algorithm func() hash.Hash
	decode    func(string) ([]byte, error)
	prefix    string
	keys      []*macs
	message   connector.Value
	signature connector.Value
	timestamp connector.Value
	tolerance time.Duration
	input     func(*gateway.Delivery) (expression.Input, error)
	now       func() time.Time
}

func newHMAC(v *connector.VerifyHMAC, params expression.Input, o Options) (gateway.Verifier, error) {
	h := &keyedHash{
		algorithm: algorithms[v.Algorithm], decode: encodings[v.Encoding], prefix: v.Prefix,
		message: v.Message, signature: v.Signature, timestamp: v.Timestamp, tolerance: time.Duration(v.Tolerance),
		input: o.Input, now: o.Now,
	}
	if h.algorithm == nil {
		return nil, fmt.Errorf("verify: hmac.algorithm %q: want sha1, sha256 or sha512", v.Algorithm)
	}
	if h.decode == nil {
		return nil, fmt.Errorf("verify: hmac.encoding %q: want hex or base64", v.Encoding)
	}
	if !v.Message.IsSet() || !v.Signature.IsSet() {
		return nil, fmt.Errorf("verify: hmac needs message and signature: say what is signed and where the signature is")
	}
	if h.tolerance <= 0 {
		h.tolerance = defaultTolerance
	}
	keys, err := requiredList("hmac.keys", v.Keys, params)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		h.keys = append(h.keys, newMACs(h.algorithm, []byte(key)))
	}
	return h, nil
}

// Verify implements gateway.Verifier.
func (h *keyedHash) Verify(_ context.Context, d *gateway.Delivery) error {
	in, err := h.input(d)
	if err != nil {
		return refuse(reasonMalformed)
	}
	text, err := h.signature.Text(in)
	if err != nil {
		return refuse(reasonMalformed)
	}
	if text == "" {
		return refuse(reasonMissing)
	}
	encoded, ok := strings.CutPrefix(text, h.prefix)
	if !ok {
		return refuse(reasonMalformed)
	}
	signature, err := h.decode(encoded)
	if err != nil {
		return refuse(reasonMalformed)
	}
	message := d.Body
	if h.message.Source() != wholeBody {
		text, err := h.message.Text(in)
		if err != nil {
			return refuse(reasonMalformed)
		}
		message = []byte(text)
	}
	if !matches(h.keys, signature, message) {
		return refuse(reasonMismatch)
	}
	return h.inWindow(in)
}

func (h *keyedHash) inWindow(in expression.Input) error {
	if !h.timestamp.IsSet() {
		return nil
	}
	text, err := h.timestamp.Text(in)
	if err != nil || text == "" {
		return refuse(reasonMissing)
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return refuse(reasonMalformed)
	}
	if !fresh(seconds, h.tolerance, h.now()) {
		return refuse(reasonExpired)
	}
	return nil
}

// macs are keyed digests of one key, made once and used again: what the key makes of them is the same each time.
type macs struct{ pool sync.Pool }

type mac struct {
	hash.Hash
	sum [sha512.Size]byte
}

func newMACs(algorithm func() hash.Hash, key []byte) *macs {
	return &macs{pool: sync.Pool{New: func() any { return &mac{Hash: hmac.New(algorithm, key)} }}}
}

// equal says whether the signature is that of the message.
func (m *macs) equal(signature []byte, message ...[]byte) bool {
	mac := m.pool.Get().(*mac)
	defer m.pool.Put(mac)
	mac.Reset()
	for _, part := range message {
		mac.Write(part)
	}
	return hmac.Equal(mac.Sum(mac.sum[:0]), signature)
}

// matches tries every key, whichever matches first.
func matches(keys []*macs, signature []byte, message ...[]byte) bool {
	found := false
	for _, key := range keys {
		if key.equal(signature, message...) {
			found = true
		}
	}
	return found
}
