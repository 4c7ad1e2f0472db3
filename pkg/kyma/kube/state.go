package kube

import (
	"context"
	"encoding/json"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// The keys of a state Secret: those of a StateStore, and that of a WebhookStore.
const stateKey, stateDigests, stateWebhooks = "key", "digests", "webhooks"

// StateStore keeps a registration.StateData in a Secret. Its methods may not be called at the same time.
type StateStore struct {
	client *Client
	ref    Ref
	labels map[string]string

	known Known // as Load found it
}

var _ registration.State = (*StateStore)(nil)

// NewStateStore keeps the state in the named Secret, which gets the labels when it is made.
func NewStateStore(client *Client, namespace, name string, labels map[string]string) *StateStore {
	return &StateStore{client: client, ref: Secret(namespace, name), labels: labels}
}

// Load implements registration.State. A Secret that cannot be understood counts as none: the digests
// are then unknown and every service is written once more.
func (s *StateStore) Load(ctx context.Context) (registration.StateData, error) {
	object, err := s.client.Get(ctx, s.ref)
	if err != nil && !IsNotFound(err) {
		return registration.StateData{}, err
	}
	s.known = Absent()
	if err == nil {
		s.known = Present(object)
	}
	if err == nil {
		if state, ok := readState(object); ok {
			return state, nil
		}
	}
	return registration.StateData{}, nil
}

// Save implements registration.State.
func (s *StateStore) Save(ctx context.Context, data registration.StateData) error {
	digests, err := json.Marshal(data.Digests)
	if err != nil {
		return err
	}
	content := map[string]secret.Text{stateKey: data.Key, stateDigests: secret.New(string(digests))}
	known := s.known
	s.known = Known{}
	_, err = s.client.ModifyFrom(ctx, s.ref, known, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if current == nil {
			return NewSecret(s.ref, content, s.labels), nil
		}
		held, ok := readState(current)
		if ok && held.Key == data.Key && maps.Equal(held.Digests, data.Digests) {
			return nil, nil
		}
		addSecretData(current, content)
		return current, nil
	})
	return err
}

// Remove deletes the Secret. One that does not exist is no error.
func (s *StateStore) Remove(ctx context.Context) error {
	_, err := s.client.Remove(ctx, s.ref, func(*unstructured.Unstructured) bool { return true })
	return err
}

// addSecretData keeps what else a Secret object holds.
func addSecretData(object *unstructured.Unstructured, content map[string]secret.Text) {
	data, err := SecretData(object)
	if err != nil {
		data = map[string]secret.Text{}
	}
	maps.Copy(data, content)
	SetSecretData(object, data)
}

func readState(object *unstructured.Unstructured) (registration.StateData, bool) {
	data, err := SecretData(object)
	if err != nil || data[stateKey].Empty() {
		return registration.StateData{}, false
	}
	state := registration.StateData{Key: data[stateKey]}
	if json.Unmarshal([]byte(data[stateDigests].Reveal()), &state.Digests) != nil || state.Digests == nil {
		return registration.StateData{}, false
	}
	return state, true
}
