package sandbox

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// Running is what a person may use while the sandbox stays up.
type Running struct {
	// Dir is the sandbox's directory; logs are in pods/<pod>/logs.
	Dir string
	// Proxy and CA reach every host that is simulated, Kubeconfig the Kubernetes API as administrator.
	Proxy, CA, Kubeconfig string
	// Deliveries are the ways in.
	Deliveries []Entrance
	// APIs are the registered APIs and the addresses that workloads call them by.
	APIs []Call
	// Samples are the names of the sample deliveries.
	Samples []string
	// ParamsDirs are the directories that hold the installation's parameters, as its gateway sees them.
	ParamsDirs []string
	// Manual is what a person would have to enter at the real system.
	Manual []string
}

// Entrance is a way in for deliveries.
type Entrance struct {
	Name string
	// URL is the public address.
	URL string
	// Local is the gateway on this machine, Path what deliveries are sent to there.
	Local, Path string
	// Curl sends a delivery of one's own, where curl can prove the sender.
	Curl string
}

// running is what a person may use.
func (t *trial) running() *Running {
	r := &Running{
		Dir: t.sandbox.dir, Proxy: t.sandbox.proxy.URL(), CA: filepath.Join(t.sandbox.dir, "ca.crt"), Kubeconfig: filepath.Join(t.sandbox.dir, "kubeconfig"),
		APIs: t.report.Calls, ParamsDirs: t.places,
	}
	for i := range t.Definition.Deliveries {
		d := &t.Definition.Deliveries[i]
		if d.MQTT != nil {
			if endpoint, _, err := t.messaging(d); err == nil {
				r.Deliveries = append(r.Deliveries, Entrance{Name: d.Name, URL: endpoint, Local: t.sandbox.network.local(http.MethodGet, "/")})
			}
			continue
		}
		if d.HTTP == nil {
			continue
		}
		url, err := t.sandbox.network.entrance(http.MethodPost, d.HTTP.Path)
		if err != nil {
			continue // said before, when the samples were sent
		}
		e := Entrance{Name: d.Name, URL: url + d.HTTP.Path, Local: t.sandbox.network.local(http.MethodPost, d.HTTP.Path), Path: d.HTTP.Path}
		if d.Verify.Basic != nil {
			user, password := t.parameterFile(d.Verify.Basic.Username), t.parameterFile(d.Verify.Basic.Password)
			e.Curl = fmt.Sprintf(`curl -i -u "$(cat %s):$(cat %s)" -H 'Content-Type: application/json' -d @FILE %s%s`, user, password, e.Local, e.Path)
		}
		r.Deliveries = append(r.Deliveries, e)
	}
	for _, s := range t.Samples {
		r.Samples = append(r.Samples, s.Name)
	}
	for _, m := range t.status.Manual {
		r.Manual = append(r.Manual, m.Title+":")
		for _, step := range m.Steps {
			r.Manual = append(r.Manual, "  "+step)
		}
	}
	return r
}

// parameterFile is the file that holds the parameter that a value reads.
func (t *trial) parameterFile(v connector.Value) string {
	for _, name := range v.Parameters() {
		for _, place := range slices.Backward(t.places) {
			file := filepath.Join(place, name)
			if _, err := os.Stat(file); err == nil {
				return file
			}
		}
	}
	return ""
}
