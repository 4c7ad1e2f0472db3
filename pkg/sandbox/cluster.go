package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// maxObject bounds an answer of the simulated Kubernetes API.
const maxObject = 16 << 20

// cluster is a client of the simulated Kubernetes API: as much as Helm and the kubelet need.
type cluster struct {
	url    string
	token  secret.Text
	client *http.Client

	mu        sync.Mutex
	resources map[string][]resource // by apiVersion
}

// resource is one kind as the API lists it.
type resource struct {
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced"`
}

func newCluster(url string, token secret.Text, client *http.Client) *cluster {
	return &cluster{url: url, token: token, client: client, resources: map[string][]resource{}}
}

// errNotServed says that the API does not know a kind.
var errNotServed = errors.New("the simulated cluster does not serve this kind")

// apply creates the object, or replaces the one of that name.
func (c *cluster) apply(ctx context.Context, m provision.Manifest, namespace string) error {
	collection, err := c.collection(ctx, m.APIVersion, m.Kind, namespaceOf(m, namespace))
	if err != nil {
		return err
	}
	body, err := yaml.YAMLToJSON(m.Content)
	if err != nil {
		return err
	}
	status, answer, err := c.call(ctx, http.MethodPost, collection, body)
	if err == nil && status == http.StatusConflict {
		status, answer, err = c.call(ctx, http.MethodPut, collection+"/"+m.Name, body)
	}
	return judge(status, answer, err)
}

// remove deletes the object; it may be gone already.
func (c *cluster) remove(ctx context.Context, m provision.Manifest, namespace string) error {
	collection, err := c.collection(ctx, m.APIVersion, m.Kind, namespaceOf(m, namespace))
	if err != nil {
		return err
	}
	status, answer, err := c.call(ctx, http.MethodDelete, collection+"/"+m.Name, nil)
	if status == http.StatusNotFound {
		return nil
	}
	return judge(status, answer, err)
}

// Secret implements pod.Objects.
func (c *cluster) Secret(ctx context.Context, namespace, name string) (map[string][]byte, bool, error) {
	object, found, err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/secrets/"+name)
	if !found || err != nil {
		return nil, found, err
	}
	data, err := object.decoded()
	return data, true, err
}

// ConfigMap implements pod.Objects.
func (c *cluster) ConfigMap(ctx context.Context, namespace, name string) (map[string][]byte, bool, error) {
	object, found, err := c.get(ctx, "/api/v1/namespaces/"+namespace+"/configmaps/"+name)
	if !found || err != nil {
		return nil, found, err
	}
	out := make(map[string][]byte, len(object.Data))
	for key, value := range object.Data {
		out[key] = []byte(value)
	}
	return out, true, nil
}

// object is what is read of an object here.
type object struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
	Spec struct {
		Services []json.RawMessage `json:"services"`
	} `json:"spec"`
}

// decoded is the data of a Secret.
func (o *object) decoded() (map[string][]byte, error) {
	out := make(map[string][]byte, len(o.Data))
	for key, value := range o.Data {
		data, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("secret %s: key %s is no base64", o.Metadata.Name, key)
		}
		out[key] = data
	}
	return out, nil
}

func (c *cluster) get(ctx context.Context, path string) (*object, bool, error) {
	status, answer, err := c.call(ctx, http.MethodGet, path, nil)
	if status == http.StatusNotFound {
		return nil, false, nil
	}
	if err := judge(status, answer, err); err != nil {
		return nil, false, err
	}
	var out object
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, false, fmt.Errorf("read %s: %w", path, err)
	}
	return &out, true, nil
}

func (c *cluster) list(ctx context.Context, path string) ([]object, error) {
	status, answer, err := c.call(ctx, http.MethodGet, path, nil)
	if err := judge(status, answer, err); err != nil {
		return nil, err
	}
	var out struct {
		Items []object `json:"items"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out.Items, nil
}

// inventory names everything that a connector may leave behind, sorted: Secrets, ConfigMaps, Applications
// and their services.
func (c *cluster) inventory(ctx context.Context) ([]string, error) {
	var out []string
	for what, path := range map[string]string{
		"Secret":      "/api/v1/secrets",
		"ConfigMap":   "/api/v1/configmaps",
		"Application": "/apis/applicationconnector.kyma-project.io/v1alpha1/applications",
	} {
		items, err := c.list(ctx, path)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			name := what + " " + item.Metadata.Name
			if item.Metadata.Namespace != "" {
				name = what + " " + item.Metadata.Namespace + "/" + item.Metadata.Name
			}
			if n := len(item.Spec.Services); n > 0 {
				name += fmt.Sprintf(" with %d services", n)
			}
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// secrets are the values of all Secrets, for redaction.
func (c *cluster) secrets(ctx context.Context) ([]secret.Text, error) {
	items, err := c.list(ctx, "/api/v1/secrets")
	if err != nil {
		return nil, err
	}
	var out []secret.Text
	for i := range items {
		data, err := items[i].decoded()
		if err != nil {
			return nil, err
		}
		for _, value := range data {
			out = append(out, secret.New(string(value)), secret.New(strings.TrimSpace(string(value))))
		}
	}
	return out, nil
}

// collection is the path of a kind's objects.
func (c *cluster) collection(ctx context.Context, apiVersion, kind, namespace string) (string, error) {
	root := "/apis/" + apiVersion
	if !strings.Contains(apiVersion, "/") {
		root = "/api/" + apiVersion
	}
	list, err := c.served(ctx, apiVersion, root)
	if err != nil {
		return "", err
	}
	for _, r := range list {
		if r.Kind != kind || strings.Contains(r.Name, "/") {
			continue
		}
		if r.Namespaced {
			return root + "/namespaces/" + namespace + "/" + r.Name, nil
		}
		return root + "/" + r.Name, nil
	}
	return "", errNotServed
}

func (c *cluster) served(ctx context.Context, apiVersion, root string) ([]resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if list, ok := c.resources[apiVersion]; ok {
		return list, nil
	}
	status, answer, err := c.call(ctx, http.MethodGet, root, nil)
	var found struct {
		Resources []resource `json:"resources"`
	}
	if status != http.StatusNotFound {
		if err := judge(status, answer, err); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(answer, &found); err != nil {
			return nil, fmt.Errorf("read %s: %w", root, err)
		}
	}
	c.resources[apiVersion] = found.Resources
	return found.Resources, nil
}

func (c *cluster) call(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxObject))
	return response.StatusCode, answer, err
}

// judge makes an error of an answer that is none of success.
func judge(status int, answer []byte, err error) error {
	if err != nil {
		return fmt.Errorf("simulated cluster: %w", err)
	}
	if status >= 200 && status < 300 {
		return nil
	}
	var reason struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer, &reason) // without a message, the status has to do
	return fmt.Errorf("simulated cluster answers %d: %s", status, reason.Message)
}
