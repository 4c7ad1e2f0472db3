package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// ingress is what Istio's gateway and Kyma's APIRule controller are together: a request for the host of an APIRule goes
// to the Service that the rule names, as a public client's would.
type ingress struct {
	rules dynamic.NamespaceableResourceInterface
}

func newIngress() (public, control http.Handler, err error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, nil, err
	}
	config.QPS = -1 // each request asks for the rules, and is no slower for that
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	i := &ingress{rules: client.Resource(schema.GroupVersionResource{Group: "gateway.kyma-project.io", Version: "v2", Resource: "apirules"})}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // each request may meet another pod, as behind Envoy
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			target, _ := r.In.Context().Value(targetKey{}).(*url.URL)
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		FlushInterval: -1,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := i.target(r.Context(), r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), targetKey{}, target)))
	}), http.NotFoundHandler(), nil
}

type targetKey struct{}

// target finds the Service for a request: host, path and method must be those of a rule.
func (i *ingress) target(ctx context.Context, r *http.Request) (*url.URL, error) {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := i.rules.List(bounded, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(r.Host, ":")
	for _, rule := range list.Items {
		if target, ok := match(rule, host, r.Method, r.URL.Path); ok {
			return url.Parse(target)
		}
	}
	return nil, errors.New("no APIRule allows " + r.Method + " " + host + r.URL.Path)
}

func match(rule unstructured.Unstructured, host, method, path string) (string, bool) {
	hosts, _, _ := unstructured.NestedStringSlice(rule.Object, "spec", "hosts")
	known := false
	for _, h := range hosts {
		known = known || h == host || !strings.Contains(h, ".") && strings.HasPrefix(host, h+".")
	}
	rules, _, _ := unstructured.NestedSlice(rule.Object, "spec", "rules")
	for _, r := range rules {
		one, ok := r.(map[string]any)
		if !ok || !known || !allows(one, method, path) {
			continue
		}
		service, found, _ := unstructured.NestedMap(one, "service")
		if !found {
			service, _, _ = unstructured.NestedMap(rule.Object, "spec", "service")
		}
		namespace := rule.GetNamespace()
		if other, ok := service["namespace"].(string); ok && other != "" {
			namespace = other
		}
		return fmt.Sprintf("http://%v.%s.svc.cluster.local:%v", service["name"], namespace, service["port"]), true
	}
	return "", false
}

// allows knows the paths of APIRules v2: exact, /* for everything, and {*} and {**} for one and any number of segments.
func allows(rule map[string]any, method, path string) bool {
	methods, _, _ := unstructured.NestedStringSlice(rule, "methods")
	allowed := false
	for _, m := range methods {
		allowed = allowed || m == method
	}
	pattern, _, _ := unstructured.NestedString(rule, "path")
	return allowed && (pattern == "/*" || matchPath(strings.Split(pattern, "/"), strings.Split(path, "/")))
}

func matchPath(pattern, path []string) bool {
	for n, p := range pattern {
		switch {
		case p == "{**}":
			return true
		case n >= len(path):
			return false
		case p != "{*}" && p != path[n]:
			return false
		}
	}
	return len(pattern) == len(path)
}
