package registration

import (
	"context"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// State is what an installation remembers from one run to the next, besides what the Catalog holds: digests
// of the credentials, so that a rotated password is noticed without keeping the password.
type State struct {
	// Key keys the digests. A store makes it once, at random, and keeps it.
	Key secret.Text
	// Digests holds one digest per service id.
	Digests map[string]string
}

// StateStore keeps a State.
type StateStore interface {
	// Load returns the state; one that was never saved has a new Key and no digests.
	Load(ctx context.Context) (State, error)
	// Save replaces the digests. It writes nothing where nothing changed.
	Save(ctx context.Context, state State) error
}
