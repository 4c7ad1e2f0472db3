package charts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A system in a private network is called by the Jobs that ask it and by the gateway, and by nobody unless the
// operator said so.
func TestAllowedAddresses(t *testing.T) {
	t.Parallel()
	allowed := form().with(values{"system": values{"allowAddresses": []any{"10.1.2.0/24", "fd00::7"}}})
	for want, v := range map[string]values{"": form(), "10.1.2.0/24,fd00::7": allowed} {
		seen := 0
		for name, pod := range render(t, install(v)).pods(t) {
			if strings.Contains(name, "-prepare") || strings.Contains(name, "-test") {
				continue // they do not call the system
			}
			for _, c := range containers(pod) {
				assert.Equal(t, want, env(t, c)["KC_ALLOW_ADDRESS"], "%s %s", name, c.Name)
				seen++
			}
		}
		require.GreaterOrEqual(t, seen, 5, "apply, reconcile, delete, gateway and its check")
	}
}
