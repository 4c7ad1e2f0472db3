package registration_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

func TestServiceNameIsKymas(t *testing.T) {
	t.Parallel()
	const id = "f03aafcc-85ad-4665-a46a-bf455f5fa0b3"
	tests := map[string]struct{ display, segment, service string }{
		"punctuation becomes one dash":      {"SAP S/4HANA - Business Partner (A2X)", "sap-s-4hana-business-partner-a2x", "sap-s-4hana-business-partner-a2x-690bd"},
		"a leading dash goes":               {"Ünïcode ", "n-code", "n-code-690bd"},
		"nothing is left":                   {"___", "", "690bd"},
		"long names are cut":                {strings.Repeat("a", 60), strings.Repeat("a", 57), strings.Repeat("a", 57) + "-690bd"},
		"the cut may leave a trailing dash": {strings.Repeat("a", 56) + " b", strings.Repeat("a", 56) + "-", strings.Repeat("a", 56) + "--690bd"},
		"the cut comes before the leading dash": {"!" + strings.Repeat("a", 60), strings.Repeat("a", 56),
			strings.Repeat("a", 56) + "-690bd"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.segment, registration.URLSegment(test.display))
			assert.Equal(t, test.service, registration.ServiceName(test.display, id))
		})
	}
}
