package lint

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIcons(t *testing.T) {
	t.Parallel()
	for svg, want := range map[string]string{
		`<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/></svg>`:                               "",
		`<svg><script>x</script></svg>`:                                                                "holds script",
		`<svg onload="x()"/>`:                                                                          "runs something",
		`<svg><image href="https://example.com/a.png"/></svg>`:                                         "refers to something elsewhere",
		`<svg><style>a{fill:url(#b)}</style><rect style="fill: url('data:image/png;base64,')"/></svg>`: "",
		`<svg><style><![CDATA[@import "a.css";]]></style></svg>`:                                       "refers to something elsewhere",
		`<svg><style>a{}<!-- --> @IMPORT 'a'</style></svg>`:                                            "refers to something elsewhere",
		`<svg><rect fill="url( 'https://example.com/a.svg#b')"/></svg>`:                                "refers to something elsewhere in fill",
		`<?xml-stylesheet href="https://example.com/a.css"?><svg/>`:                                    "refers to something elsewhere: xml-stylesheet",
		`<?xml version="1.0"?><svg><title>@import</title></svg>`:                                       "",
		`<!DOCTYPE svg [<!ENTITY a "b">]><svg/>`:                                                       "defines entities",
		`<html/>`:                                                                                      "is no SVG",
		`<svg>`:                                                                                        "is no well-formed SVG",
		``:                                                                                             "is empty",
		strings.Repeat(" ", maxIcon) + "<svg/>":                                                        "of at most",
	} {
		got := wrongIcon("data:image/svg+xml," + url.PathEscape(svg))
		if want == "" {
			assert.Empty(t, got, svg)
		} else {
			assert.Contains(t, got, want, svg)
		}
	}
	assert.Contains(t, wrongIcon("data:image/svg+xml;base64,%%"), "cannot be decoded")
	assert.Empty(t, wrongIcon("https://example.com/icon.svg"))
}
