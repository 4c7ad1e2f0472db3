package kube

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// WebhookStore keeps a subscription.StateData in a Secret, which may be that of a StateStore. Its methods may not be
// called at the same time.
type WebhookStore struct {
	client *Client
	ref    Ref
	labels map[string]string

	known Known // as Load found it
}

var _ subscription.State = (*WebhookStore)(nil)

// NewWebhookStore keeps the state in the named Secret, which gets the labels when it is made.
func NewWebhookStore(client *Client, namespace, name string, labels map[string]string) *WebhookStore {
	return &WebhookStore{client: client, ref: Secret(namespace, name), labels: labels}
}

// webhookState is what the Secret holds.
type webhookState struct {
	Key       string                         `json:"key"`
	Callbacks []string                       `json:"callbacks,omitempty"`
	Webhooks  map[string]subscription.Record `json:"webhooks,omitempty"`
}

// Load implements subscription.State. What cannot be understood counts as nothing: the webhooks are then made
// anew.
func (s *WebhookStore) Load(ctx context.Context) (subscription.StateData, error) {
	object, err := s.client.Get(ctx, s.ref)
	s.known = Present(object)
	if IsNotFound(err) {
		s.known = Absent()
		return subscription.StateData{}, nil
	}
	if err != nil {
		return subscription.StateData{}, err
	}
	data, err := SecretData(object)
	if err != nil {
		return subscription.StateData{}, nil
	}
	var held webhookState
	if json.Unmarshal([]byte(data[stateWebhooks].Reveal()), &held) != nil || held.Key == "" {
		return subscription.StateData{}, nil
	}
	return subscription.StateData{Key: secret.New(held.Key), Callbacks: held.Callbacks, Webhooks: held.Webhooks}, nil
}

// Save implements subscription.State.
func (s *WebhookStore) Save(ctx context.Context, data subscription.StateData) error {
	document, err := json.Marshal(webhookState{Key: data.Key.Reveal(), Callbacks: data.Callbacks, Webhooks: data.Webhooks})
	if err != nil {
		return err
	}
	content := map[string]secret.Text{stateWebhooks: secret.New(string(document))}
	known := s.known
	s.known = Known{}
	_, err = s.client.ModifyFrom(ctx, s.ref, known, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if current == nil {
			return NewSecret(s.ref, content, s.labels), nil
		}
		if held, err := SecretData(current); err == nil && held[stateWebhooks] == content[stateWebhooks] {
			return nil, nil
		}
		addSecretData(current, content)
		return current, nil
	})
	return err
}
