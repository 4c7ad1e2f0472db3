package registration_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// The expected segments are what Kyma's own gateway makes of these names.
func TestURLSegment(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"SAP S/4HANA - Business Partner (A2X)": "sap-s-4hana-business-partner-a2x",
		"Ünïcode ":                             "n-code",
		"___":                                  "",
		"":                                     "",
		"Orders API":                           "orders-api",
		"--a--":                                "a",
		strings.Repeat("a", 56) + " b":         strings.Repeat("a", 56) + "-",
		strings.Repeat("x", 80):                strings.Repeat("x", 57),
		"-" + strings.Repeat("y", 56) + " z tail": strings.Repeat("y", 56),
	} {
		assert.Equal(t, want, registration.URLSegment(name), "%q", name)
	}
}
