package verify

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

const (
	// keysFresh is how long keys are used before they are fetched again.
	keysFresh = time.Hour
	// keysPause bounds fetching: an unknown key id, which anybody can send, asks the issuer at most so often.
	keysPause = 30 * time.Second
	maxKeySet = 256 << 10
	maxKeys   = 100
	// minRSABits is what is safe to trust.
	minRSABits = 2048
)

// keySet is a JSON Web Key Set at an address. Keys that were fetched once are used until newer ones can be
// had.
type keySet struct {
	address string
	client  *httpclient.Client
	now     func() time.Time

	fetching sync.Mutex
	mu       sync.RWMutex
	keys     []publicKey
	fetched  time.Time // when they were
	asked    time.Time // when that was last tried
}

// publicKey verifies signatures of the algorithm, or, where that is empty, of each that fits its kind.
type publicKey struct {
	id, algorithm string
	key           any
}

// NewClient is a client for fetching public keys; the guard may be nil.
func NewClient(guard *httpclient.Guard) *httpclient.Client {
	return httpclient.New(httpclient.Options{Timeout: 5 * time.Second, MaxBody: maxKeySet, Guard: guard, Retry: httpclient.Retry{Attempts: 1}})
}

// errUnknownKey makes a refusal, unlike the failure to get any keys.
var errUnknownKey = errors.New("unknown key")

// find returns the keys that a token of an algorithm may be signed by: the one that it names, or all if it names none.
// The error is not nil only if there are no keys at all.
func (s *keySet) find(ctx context.Context, id, algorithm string) (jwt.VerificationKeySet, error) {
	keys, stale := s.known(id, algorithm)
	switch {
	case len(keys.Keys) == 0:
		s.fetching.Lock()
	case !stale || !s.fetching.TryLock():
		return keys, nil // nobody waits for newer keys while there are some
	}
	err := s.refresh(ctx)
	s.fetching.Unlock()
	if keys, _ = s.known(id, algorithm); len(keys.Keys) > 0 || err == nil {
		return keys, nil
	}
	return keys, err
}

func (s *keySet) known(id, algorithm string) (keys jwt.VerificationKeySet, stale bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys {
		if (id == "" || k.id == id) && (k.algorithm == "" || k.algorithm == algorithm) {
			keys.Keys = append(keys.Keys, k.key)
		}
	}
	return keys, s.now().Sub(s.fetched) > keysFresh
}

// refresh fetches the keys, unless that was tried just now. The error says that there are none. One fetches
// at a time.
func (s *keySet) refresh(ctx context.Context) error {
	s.mu.RLock()
	recently, have := s.now().Sub(s.asked) < keysPause, s.keys != nil
	s.mu.RUnlock()
	var err error
	if !recently {
		var keys []publicKey
		keys, err = s.fetch(ctx)
		s.mu.Lock()
		s.asked = s.now()
		if err == nil {
			s.keys, s.fetched, have = keys, s.asked, true
		}
		s.mu.Unlock()
	}
	switch {
	case have:
		return nil
	case err != nil:
		return err
	}
	return errors.New("they could not be fetched a moment ago")
}

func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	answer, err := s.client.Do(ctx, httpclient.Request{URL: s.address, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", httpclient.Address(s.address), answer.Status)
	}
	keys, err := parseKeySet(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", httpclient.Address(s.address), err)
	}
	return keys, nil
}

// jwk is one key of a set (RFC 7517).
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	Curve      string   `json:"crv"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
}

// parseKeySet reads the keys that can verify signatures. Keys of other kinds are left out.
func parseKeySet(data []byte) ([]publicKey, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("is not a key set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("has more than %d keys", maxKeys)
	}
	var keys []publicKey
	for _, k := range set.Keys {
		if k.Use != "" && k.Use != "sig" || k.Operations != nil && !slices.Contains(k.Operations, "verify") {
			continue
		}
		if key, err := k.public(); err == nil {
			keys = append(keys, publicKey{k.ID, k.Algorithm, key})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("has no key for signatures that is safe to use")
	}
	return keys, nil
}

func (k jwk) public() (any, error) {
	switch k.Type {
	case "RSA":
		n, e := number(k.N), number(k.E)
		if n == nil || e == nil || n.BitLen() < minRSABits || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil, errUnknownKey
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case "EC":
		return k.ellipticKey()
	case "OKP":
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || k.Curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, errUnknownKey
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errUnknownKey
}

func (k jwk) ellipticKey() (any, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
	if !ok {
		return nil, errUnknownKey
	}
	size := (curve.Params().BitSize + 7) / 8
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil, errUnknownKey
	}
	point := append(append([]byte{4}, x...), y...) // uncompressed
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func number(text string) *big.Int {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil
	}
	return new(big.Int).SetBytes(data)
}
