//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what the tests measured.
var report = &figures{rows: map[string]*row{}}

type figures struct {
	rows         map[string]*row
	disturbances []string
}

// row is one connector.
type row struct {
	install, provision, uninstall, down time.Duration
	apis, events                        int
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
	b.WriteString("| Connector | helm install | addonctl provision | APIs | Events in JetStream | helm uninstall | The same, system down | Left then |\n|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(f.rows)) {
		r := f.rows[name]
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %s | %s |\n", name, seconds(r.install), seconds(r.provision), r.apis, r.events, seconds(r.uninstall), seconds(r.down), cmp.Or(r.left, "not tried"))
	}
	if len(f.disturbances) > 0 {
		b.WriteString("\n| Release | Disturbance | Offered | Acknowledged | Refused | Unanswered | Lost | Duplicates | Longest wait |\n|---|---|---|---|---|---|---|---|---|\n" + strings.Join(f.disturbances, ""))
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
