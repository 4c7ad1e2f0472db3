package helm_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
)

func TestABindingIsRenderedWithLessThanAnInstallation(t *testing.T) {
	t.Parallel()
	load := func(template string) *helm.Chart {
		c, err := helm.Load(maps.All(map[string][]byte{
			"Chart.yaml":                []byte("apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- {name: side, version: 0.1.0, condition: side.enabled}\n"),
			"values.yaml":               []byte("side: {enabled: false}\n"),
			"templates/a.yaml":          []byte(template),
			"charts/side/Chart.yaml":    []byte("apiVersion: v2\nname: side\nversion: 0.1.0\n"),
			"charts/side/templates/b":   []byte("{{ required \"there is no x\" .Values.x }}"),
			"charts/side/values.yaml":   []byte("{}"),
			"templates/_unused.tpl":     []byte(`{{ define "who" }}{{ .Release.Name }}{{ end }}`),
			"charts/side/templates/c.x": []byte(""),
		}))
		require.NoError(t, err)
		return c
	}
	request := helm.Request{Release: "r", Namespace: "n", Values: map[string]any{"side": map[string]any{"x": "1", "enabled": false}}}

	text, err := load("").Bind([]byte(`name: {{ include "who" . }} {{ .Values.absent }}`), request)
	require.NoError(t, err)
	assert.Equal(t, "name: r ", text, "templates of the chart can be used, and what is missing is empty")

	const wantsVersion = `{{ if semverCompare ">=1.20" .Capabilities.KubeVersion.Version }}a: b{{ end }}`
	_, err = load(wantsVersion).Bind([]byte("a: b"), request)
	assert.Error(t, err, "there is no version of Kubernetes")
	_, err = load(wantsVersion).Render(request)
	assert.NoError(t, err)

	request.Values = nil
	_, err = load("").Bind([]byte("a: b"), request)
	assert.ErrorContains(t, err, "there is no x", "a chart that is switched off is rendered")
	_, err = load("").Render(request)
	assert.NoError(t, err)
}
