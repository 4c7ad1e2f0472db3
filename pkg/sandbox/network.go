package sandbox

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/pod"
)

// network is what is reachable of the release itself: its Services and its public hosts. It is safe for
// concurrent use.
type network struct {
	namespace string

	mu        sync.Mutex
	pods      []*pod.Pod
	services  []*corev1.Service
	exposures []exposure
}

func (n *network) addPod(p *pod.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pods = append(n.pods, p)
}

func (n *network) addObjects(o *objects) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.services = append(n.services, o.services...)
	n.exposures = append(n.exposures, o.exposures...)
}

// hosts are the release's hosts as the proxy knows them.
func (n *network) hosts() map[string]http.Handler {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := map[string]http.Handler{}
	for _, service := range n.services {
		for _, port := range service.Spec.Ports {
			host := net.JoinHostPort(service.Name+"."+n.namespace, strconv.Itoa(int(port.Port)))
			out[host] = n.service(service.Name, intstr.FromInt32(port.Port))
		}
	}
	for _, e := range n.exposures {
		out[net.JoinHostPort(e.host, "443")] = e.handler(n.service(e.service, e.port))
	}
	return out
}

// service is a handler that sends each request to the Service's first pod. One pod, although there may be
// several: each remembers for itself which events it has seen, so only there a duplicate is one.
func (n *network) service(name string, port intstr.IntOrString) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, err := n.resolve(name, port)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		forward := &httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(&url.URL{Scheme: "http", Host: address})
				p.Out.Host = p.In.Host
				p.SetXForwarded()
			},
			Transport: &http.Transport{DisableKeepAlives: true}, // a pod may be gone at the next request
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				http.Error(w, fmt.Sprintf("service %s: %v", name, err), http.StatusServiceUnavailable)
			},
		}
		forward.ServeHTTP(w, r)
	})
}

// resolve finds the address on loopback behind a Service's port.
func (n *network) resolve(name string, port intstr.IntOrString) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, service := range n.services {
		if service.Name != name {
			continue
		}
		for _, p := range service.Spec.Ports {
			if p.Port != port.IntVal && p.Name != port.StrVal {
				continue
			}
			target := p.TargetPort
			if target == (intstr.IntOrString{}) {
				target = intstr.FromInt32(p.Port)
			}
			for _, candidate := range n.pods {
				if !selects(service.Spec.Selector, candidate.Object.Labels) || candidate.Failed() != nil {
					continue
				}
				if address, ok := candidate.Address(target); ok {
					return address, nil
				}
			}
			return "", fmt.Errorf("service %s has no pod with port %s", name, target.String())
		}
		return "", fmt.Errorf("service %s has no port %s", name, port.String())
	}
	return "", fmt.Errorf("there is no service %s", name)
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// entrance is the address that takes a request: the public host whose rules let it through, else the
// first public host (which says no), else the Service that has a port named http.
func (n *network) entrance(method, path string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.exposure(method, path); e != nil {
		return "https://" + e.host, nil
	}
	for _, service := range n.services {
		for _, port := range service.Spec.Ports {
			if port.Name == "http" {
				return "http://" + net.JoinHostPort(service.Name+"."+n.namespace, strconv.Itoa(int(port.Port))), nil
			}
		}
	}
	return "", fmt.Errorf("the release has neither a public host nor a service for %s %s", method, path)
}

func (n *network) exposure(method, path string) *exposure {
	for i := range n.exposures {
		if n.exposures[i].allows(method, path) {
			return &n.exposures[i]
		}
	}
	if len(n.exposures) > 0 {
		return &n.exposures[0]
	}
	return nil
}

// local is the address on this machine behind the entrance of requests to a path, for people with curl;
// empty where there is none.
func (n *network) local(method, path string) string {
	n.mu.Lock()
	e := n.exposure(method, path)
	n.mu.Unlock()
	if e == nil {
		return ""
	}
	address, err := n.resolve(e.service, e.port)
	if err != nil {
		return ""
	}
	return "http://" + address
}

// running are the pods that were started.
func (n *network) running() []*pod.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*pod.Pod{}, n.pods...)
}

// takePods gives the pods to a caller who stops them: nothing is routed to them any more.
func (n *network) takePods() []*pod.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	pods := n.pods
	n.pods = nil
	return pods
}
