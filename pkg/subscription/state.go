package subscription

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// State keeps, between two runs, what a listing of the system does not tell: with which key a webhook was
// made, and since when nobody wants its events. It holds digests, never values; it belongs into a Secret.
type State interface {
	// Load returns what was saved; the zero StateData where nothing was.
	Load(ctx context.Context) (StateData, error)
	// Save replaces it.
	Save(ctx context.Context, data StateData) error
}

// StateData is what a State keeps.
type StateData struct {
	// Key is the key of the digests: 32 random bytes in hexadecimal; empty before the first Save.
	Key secret.Text
	// Callbacks are the addresses, without tokens, that webhooks of this installation call or called: what
	// still calls an old one is ours too.
	Callbacks []string
	// Webhooks are the records by section and key, joined by a slash.
	Webhooks map[string]Record
}

// Record is what is known of one webhook.
type Record struct {
	// ID is the system's.
	ID string `json:"id,omitempty"`
	// Digest covers the request that made it, Recreate the parameters of recreateWhen.
	Digest   string `json:"digest,omitempty"`
	Recreate string `json:"recreate,omitempty"`
	// Proof covers what the system proves itself with.
	Proof string `json:"proof,omitempty"`
	// UnwantedSince is when somebody was missed first who wants its events; zero where they are wanted.
	UnwantedSince time.Time `json:"unwantedSince,omitzero"`
	// CaughtUp is nil before the first look at what the system could not deliver.
	CaughtUp *CaughtUp `json:"caughtUp,omitempty"`
}

// CaughtUp says which of the events that the system lists as undelivered are done with.
type CaughtUp struct {
	// Settled are their ids, sorted: they were posted to the gateway, or were there before the webhook. What the
	// system does not list any more is forgotten.
	Settled []string `json:"settled"`
}

func (r Record) equal(other Record) bool {
	return r.ID == other.ID && r.Digest == other.Digest && r.Recreate == other.Recreate && r.Proof == other.Proof && r.UnwantedSince.Equal(other.UnwantedSince) &&
		(r.CaughtUp == nil) == (other.CaughtUp == nil) && (r.CaughtUp == nil || slices.Equal(r.CaughtUp.Settled, other.CaughtUp.Settled))
}

func (d StateData) equal(other StateData) bool {
	return slices.Equal(d.Callbacks, other.Callbacks) && maps.EqualFunc(d.Webhooks, other.Webhooks, Record.equal)
}

func (d StateData) clone() StateData {
	d.Callbacks = slices.Clone(d.Callbacks)
	d.Webhooks = maps.Clone(d.Webhooks)
	if d.Webhooks == nil {
		d.Webhooks = map[string]Record{}
	}
	return d
}

// Describe names the webhooks that the system has according to the record, with the system's ids and the addresses
// that they call, for somebody who has to remove them by hand.
func (d StateData) Describe() string {
	var names []string
	for key, record := range d.Webhooks {
		if record.ID != "" {
			names = append(names, shownID(system.Printable(strings.TrimPrefix(key, "/"), maxText), record.ID))
		}
	}
	slices.Sort(names)
	calling := strings.Join(d.Callbacks, " or ")
	switch {
	case len(names) > 0 && calling != "":
		return strings.Join(names, ", ") + ", which call " + calling
	case len(names) > 0:
		return strings.Join(names, ", ")
	case calling != "":
		return "what calls " + calling
	}
	return "what calls this installation"
}

// shownID is the name of a webhook with the system's id.
func shownID(name, id string) string {
	id = system.Printable(id, maxText)
	if name == id {
		return name
	}
	return name + " (id " + id + ")"
}

// newKey makes a key for StateData.
func newKey() secret.Text {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the process where there is no randomness
	return secret.New(hex.EncodeToString(key[:]))
}

// digest is a keyed digest of values made of texts, lists and maps.
func digest(key secret.Text, values ...any) string {
	document, _ := json.Marshal(values) // cannot fail for these types
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	_, _ = mac.Write(document)
	return hex.EncodeToString(mac.Sum(nil)[:20])
}
