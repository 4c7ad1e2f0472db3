package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const kymaSystem = "kyma-system"

var (
	applications = schema.GroupVersionResource{Group: "applicationconnector.kyma-project.io", Version: "v1alpha1", Resource: "applications"}
	secrets      = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// applicationGateway is Kyma's Application Gateway: it calls an API of an Application with the credentials in the Secrets that
// the Application names. What it needs of the cluster is copied into a simulated Kyma, whose gateway does the rest.
type applicationGateway struct {
	cluster dynamic.Interface

	mu   sync.Mutex // one call at a time: each copies what it needs
	kyma *simulator.Kyma
}

func newApplicationGateway() (public, control http.Handler, err error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, nil, err
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	kyma, err := simulator.NewKyma(simulator.KymaOptions{})
	if err != nil {
		return nil, nil, err
	}
	return &applicationGateway{cluster: client, kyma: kyma}, http.NotFoundHandler(), nil
}

// ServeHTTP implements http.Handler for /{application}/{service}/{path}.
func (g *applicationGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if err := g.copyApplication(ctx, name); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	g.kyma.ApplicationGateway().ServeHTTP(w, r)
}

// copyApplication brings an Application and its Secrets to the simulated Kyma, as they are now.
func (g *applicationGateway) copyApplication(ctx context.Context, name string) error {
	application, err := g.copy(ctx, applications, "", name)
	if application == nil || err != nil {
		return err
	}
	services, _, _ := unstructured.NestedSlice(application.Object, "spec", "services")
	for _, service := range services {
		fields, _ := service.(map[string]any)
		entries, _, _ := unstructured.NestedSlice(fields, "entries")
		for _, entry := range entries {
			fields, _ := entry.(map[string]any)
			credentials, _, _ := unstructured.NestedString(fields, "credentials", "secretName")
			parameters, _, _ := unstructured.NestedString(fields, "requestParametersSecretName")
			for _, secret := range []string{credentials, parameters} {
				if secret == "" {
					continue
				}
				if _, err := g.copy(ctx, secrets, kymaSystem, secret); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// copy copies an object; nil where there is none.
func (g *applicationGateway) copy(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	path := "/apis/" + resource.Group + "/" + resource.Version + "/" + resource.Resource
	if resource.Group == "" {
		path = "/api/" + resource.Version + "/namespaces/" + namespace + "/" + resource.Resource
	}
	g.write(http.MethodDelete, path+"/"+name, nil)
	object, err := g.cluster.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	bare := object.DeepCopy()
	bare.Object["metadata"] = map[string]any{"name": name}
	if namespace != "" {
		bare.SetNamespace(namespace)
	}
	body, err := json.Marshal(bare.Object)
	if err != nil {
		return nil, err
	}
	if status := g.write(http.MethodPost, path, body); status != http.StatusCreated {
		return nil, fmt.Errorf("copying %s %s: the simulated cluster answers %d", resource.Resource, name, status)
	}
	return object, nil
}

// write calls the API of the simulated cluster, and returns the status.
func (g *applicationGateway) write(method, path string, body []byte) int {
	request := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body))}
	recorder := httptest.NewRecorder()
	g.kyma.KubeAPI().ServeHTTP(recorder, request)
	return recorder.Code
}
