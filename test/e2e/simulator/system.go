package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// newSystem serves an external system under all its host names.
func newSystem(o options) (public, control http.Handler, err error) {
	data, err := os.ReadFile(o.params)
	if err != nil {
		return nil, nil, err
	}
	params := map[string]string{}
	if err := json.Unmarshal(data, &params); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", o.params, err)
	}
	system, err := simulator.NewSystem(o.system, params)
	if err != nil {
		return nil, nil, err
	}
	tests := http.NewServeMux()
	tests.HandleFunc("GET /hosts", func(w http.ResponseWriter, _ *http.Request) {
		hosts := []string{}
		for host := range system.Hosts() {
			hosts = append(hosts, host)
		}
		writeJSON(w, hosts)
	})
	tests.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, system.Calls()) })
	tests.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var fault simulator.Fault
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&fault); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, err := system.Faults().Add(fault); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	tests.HandleFunc("DELETE /faults", func(http.ResponseWriter, *http.Request) { system.Faults().Clear() })
	if ingester, ok := system.(simulator.Ingester); ok {
		tests.HandleFunc("GET /ingested", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, ingester.Ingested()) })
	}
	if notifier, ok := system.(simulator.Notifier); ok {
		sending(tests, notifier)
	}
	return byHost(system, o.listen), tests, nil
}

// byHost hands each request to the host that it names, and refuses hosts that the system does not have.
func byHost(system simulator.System, listen string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(host, "443")
		}
		handler, ok := system.Hosts()[strings.ToLower(host)]
		if !ok {
			http.Error(w, "nobody serves "+host+" on "+listen, http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// connection says where a system sends its events, and how.
type connection struct {
	Endpoint, User, Password string
	Legacy                   bool
	Duplicates               int
	TokenEndpoint            string // set: by MQTT
}

func sending(tests *http.ServeMux, notifier simulator.Notifier) {
	tests.HandleFunc("GET /types", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, notifier.Types()) })
	tests.HandleFunc("GET /monitor", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, notifier.Monitor()) })
	tests.HandleFunc("POST /connect", func(w http.ResponseWriter, r *http.Request) {
		var c connection
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		consumer := simulator.Consumer{
			Endpoint: c.Endpoint, User: c.User, Password: c.Password, Legacy: c.Legacy, Duplicates: c.Duplicates,
			RetryAfter: 500 * time.Millisecond,
		}
		if c.TokenEndpoint != "" {
			consumer.Messaging = &simulator.Messaging{TokenEndpoint: c.TokenEndpoint}
		}
		if err := notifier.Connect(consumer); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	tests.HandleFunc("POST /fire", func(w http.ResponseWriter, r *http.Request) {
		var n simulator.Notification
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		types := []string{n.Type}
		if n.Type == "" { // one of each
			types = notifier.Types()
		}
		for _, n.Type = range types {
			if err := notifier.Fire(r.Context(), n); err != nil {
				http.Error(w, n.Type+": "+err.Error(), http.StatusBadGateway)
				return
			}
		}
	})
}
