package kube

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// NewSecret makes a Secret object to write.
func NewSecret(ref Ref, data map[string]secret.Text, labels map[string]string) *unstructured.Unstructured {
	object := newObject("Secret", ref, labels)
	object.Object["type"] = "Opaque"
	SetSecretData(object, data)
	return object
}

// SecretData reads what a Secret object holds.
func SecretData(object *unstructured.Unstructured) (map[string]secret.Text, error) {
	encoded, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, errors.New("secret " + object.GetName() + " cannot be read: its data are not a map of texts")
	}
	data := make(map[string]secret.Text, len(encoded))
	for key, value := range encoded {
		decoded, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("secret %s cannot be read: key %s is not base64", object.GetName(), key)
		}
		data[key] = secret.New(string(decoded))
	}
	return data, nil
}

// SetSecretData replaces what a Secret object holds.
func SetSecretData(object *unstructured.Unstructured, data map[string]secret.Text) {
	encoded := make(map[string]any, len(data))
	for key, value := range data {
		encoded[key] = base64.StdEncoding.EncodeToString([]byte(value.Reveal()))
	}
	object.Object["data"] = encoded
}

// EnsureSecret makes a Secret, or adds to it those keys that it lacks or holds empty; a value that is there
// stays. It returns the keys that it wrote, sorted.
func (c *Client) EnsureSecret(ctx context.Context, ref Ref, data map[string]secret.Text, labels map[string]string) ([]string, error) {
	var written []string
	_, err := c.Modify(ctx, ref, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		written = slices.Sorted(maps.Keys(data))
		if current == nil {
			return NewSecret(ref, data, labels), nil
		}
		held, err := SecretData(current)
		if err != nil {
			return nil, err
		}
		written = slices.DeleteFunc(written, func(key string) bool { return !held[key].Empty() })
		if len(written) == 0 {
			return nil, nil
		}
		for _, key := range written {
			held[key] = data[key]
		}
		SetSecretData(current, held)
		return current, nil
	})
	if err != nil {
		return nil, err
	}
	return written, nil
}

// WriteConfigMap makes a ConfigMap hold exactly the data, and the labels besides those it has. It writes
// nothing where that is so already. What is known of it saves reading it.
func (c *Client) WriteConfigMap(ctx context.Context, ref Ref, known Known, data, labels map[string]string) error {
	_, err := c.ModifyFrom(ctx, ref, known, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		wanted := current
		if current == nil {
			wanted = newObject("ConfigMap", ref, nil)
		}
		held, _, _ := unstructured.NestedStringMap(wanted.Object, "data")
		all := wanted.GetLabels()
		if all == nil {
			all = map[string]string{}
		}
		unchanged := current != nil && maps.Equal(held, data) && contains(all, labels)
		if unchanged {
			return nil, nil
		}
		maps.Copy(all, labels)
		wanted.SetLabels(all)
		values := make(map[string]any, len(data))
		for key, value := range data {
			values[key] = value
		}
		wanted.Object["data"] = values
		return wanted, nil
	})
	return err
}

// ReadConfigMap returns what a ConfigMap holds.
func (c *Client) ReadConfigMap(ctx context.Context, ref Ref) (map[string]string, error) {
	object, err := c.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("configmap %s cannot be read: %w", ref.Name, err)
	}
	return data, nil
}

func newObject(kind string, ref Ref, labels map[string]string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	object.SetName(ref.Name)
	object.SetNamespace(ref.Namespace)
	if len(labels) > 0 {
		object.SetLabels(maps.Clone(labels))
	}
	return object
}

func contains(all, some map[string]string) bool {
	for key, value := range some {
		if held, ok := all[key]; !ok || held != value {
			return false
		}
	}
	return true
}
