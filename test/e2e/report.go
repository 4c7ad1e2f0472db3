//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// report is what the tests measured.
var report = &figures{rows: map[string]*row{}}

type figures struct {
	rows         map[string]*row
	disturbances []string
	policies     string // what the cluster says of NetworkPolicies; empty where nobody asked

	mu     sync.Mutex
	rights []string
}

// row is one connector.
type row struct {
	install, provision, uninstall, down time.Duration
	apis, events, relayed               int
	left                                string
}

func (f *figures) connector(name string) *row {
	if f.rows[name] == nil {
		f.rows[name] = &row{}
	}
	return f.rows[name]
}

// String is the report in Markdown.
func (f *figures) String() string {
	var b strings.Builder
	b.WriteString("| Connector | helm install | addonctl provision | APIs | Events in JetStream | Events of Kyma at the system | helm uninstall | The same, system down | Left |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(f.rows)) {
		r := f.rows[name]
		relayed := "none" // it takes no events
		if r.relayed > 0 {
			relayed = strconv.Itoa(r.relayed)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %s | %s | %s |\n", name, seconds(r.install), seconds(r.provision), r.apis, r.events, relayed, seconds(r.uninstall), seconds(r.down), cmp.Or(r.left, "not tried"))
	}
	if f.policies != "" {
		fmt.Fprintf(&b, "\nNetworkPolicies are %s.\n", f.policies)
	}
	if len(f.disturbances) > 0 {
		b.WriteString("\n| Release | Disturbance | Offered | Acknowledged | Refused | Unanswered | Lost | Duplicates | Waiting |\n|---|---|---|---|---|---|---|---|---|\n" + strings.Join(f.disturbances, ""))
	}
	if len(f.rights) > 0 {
		b.WriteString("\n| Account | Taken away | Of | Named | In | Then |\n|---|---|---|---|---|---|\n" + strings.Join(slices.Sorted(slices.Values(f.rights)), ""))
	}
	return b.String()
}

// right notes what became of a Job without a permission. Jobs of several accounts may run at the same time.
func (f *figures) right(account, namespace string, r rule, succeeded bool) {
	outcome := "the Job fails and says why"
	if succeeded {
		outcome = "the report says what was not possible"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rights = append(f.rights, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", account, r.Verbs[0], r.Resources[0], cmp.Or(short(r.ResourceNames), "any"), cmp.Or(namespace, "the cluster"), outcome))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
