package jsonvalue_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	kjson "sigs.k8s.io/json"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonvalue"
)

type inner struct {
	Deep string `json:"deep"`
}

type all struct {
	inner    `json:",inline"`
	Text     string                     `json:"text"`
	Truth    *bool                      `json:"truth"`
	Small    int8                       `json:"small"`
	Natural  uint16                     `json:"natural"`
	Whole    int64                      `json:"whole"`
	Real     float64                    `json:"real"`
	Data     []byte                     `json:"data"`
	Texts    []string                   `json:"texts"`
	Map      map[string]inner           `json:"map"`
	Named    map[string]string          `json:"named"`
	Raw      json.RawMessage            `json:"raw"`
	Raws     map[string]json.RawMessage `json:"raws"`
	Any      any                        `json:"any"`
	Self     *all                       `json:"self"`
	Untagged string
	Ignored  string `json:"-"`
}

// sure are objects that are filled in here.
func sure() []string {
	return []string{
		`{}`, `{"text":"a","truth":true,"small":-128,"natural":65535,"real":1.5,"data":"YQ==","texts":["a","b"],"map":{"a":{"deep":"b"},"c":{}}}`,
		`{"deep":"a","raw":{"b":[1]},"raws":{"a":1,"b":null},"any":{"a":[1,"b",null]},"self":{"self":{"text":"c"}},"Untagged":"d"}`,
		`{"text":null,"truth":null,"texts":null,"map":null,"raw":null,"any":null,"self":null,"real":3}`, `{"texts":[],"map":{},"raws":{},"any":[],"data":""}`,
		`{"unknown":1,"-":2}`, `{"whole":-9007199254740991}`, `{"named":{"a":"b","c":null}}`,
	}
}

// unsure are objects that are left to a reader of JSON.
func unsure() []string {
	return []string{
		`{"text":1}`, `{"truth":"true"}`, `{"small":128}`, `{"small":1.5}`, `{"natural":-1}`, `{"real":"1"}`, `{"data":"?"}`, `{"texts":"a"}`, `{"texts":[1]}`,
		`{"map":[]}`, `{"named":{"a":1}}`, `{"map":{"a":"b"}}`, `{"self":"a"}`, `{"Text":"a"}`, `{"untagged":"a"}`, `{"whole":9007199254740993}`, `{"whole":9223372036854775808}`,
	}
}

func TestFillDoesWhatAReaderOfJSONDoes(t *testing.T) {
	t.Parallel()
	for _, text := range sure() {
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		var got, want all
		require.True(t, jsonvalue.Fill(value, &got), text)
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		assert.Equal(t, want, got, text)
	}
}

func TestFillLeavesWhatIsWrongToAReaderOfJSON(t *testing.T) {
	t.Parallel()
	for _, text := range unsure() {
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		assert.False(t, jsonvalue.Fill(value, &all{}), text)
	}
}

func TestFillLeavesTypesThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, target := range []any{
		&struct {
			A int `json:"a,string"`
		}{},
		&struct {
			A json.Number `json:"a"`
		}{},
		&struct {
			A [1]int `json:"a"`
		}{},
		&struct {
			A error `json:"a"`
		}{},
		&struct {
			A int `json:"a"`
			inner
			B struct{} `json:"deep"`
		}{},
	} {
		assert.False(t, jsonvalue.Fill(map[string]any{"a": "1"}, target), "%T", target)
	}
}

func TestFillStrictlyWantsEveryKeyToBeKnown(t *testing.T) {
	t.Parallel()
	assert.True(t, jsonvalue.FillStrictly(map[string]any{"text": "a", "deep": "b"}, &all{}))
	for _, key := range []string{"unknown", "Text", "untagged", "-", "Ignored"} {
		assert.False(t, jsonvalue.FillStrictly(map[string]any{key: nil}, &all{}), key)
	}
}

// objects are of Kubernetes' own types.
func objects() []string {
	return []string{
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"b":"c"},"annotations":{},"creationTimestamp":"2020-01-02T03:04:05Z"},"spec":{
			"terminationGracePeriodSeconds":30,"securityContext":{"runAsNonRoot":true,"fsGroup":1,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{
			"name":"a","env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"b","key":"c"}}}],"ports":[{"name":"http","containerPort":80}],
			"resources":{"limits":{"cpu":"1","memory":"64Mi"},"requests":{"cpu":0.5}},"livenessProbe":{"httpGet":{"path":"/","port":"http"},"periodSeconds":5},
			"readinessProbe":{"tcpSocket":{"port":80}},"securityContext":{"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true}}],
			"volumes":[{"name":"a","emptyDir":{"sizeLimit":"1Gi"}},{"name":"b","projected":{"sources":[{"secret":{"name":"c","items":[]}}]}}]}}`,
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","creationTimestamp":null},"data":{"a":"YQ==","b":null},"stringData":{"c":"d"},"immutable":false,"type":"Opaque"}`,
	}
}

func TestFillStrictlyMakesObjectsOfKubernetes(t *testing.T) {
	t.Parallel()
	for i, want := range []any{&corev1.Pod{}, &corev1.Secret{}} {
		text := []byte(objects()[i])
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		var value any
		require.NoError(t, json.Unmarshal(text, &value))
		require.True(t, jsonvalue.FillStrictly(value, got))
		strict, err := kjson.UnmarshalStrict(text, want)
		require.NoError(t, err)
		require.Empty(t, strict)
		assert.Equal(t, want, got)
	}
}

// targets are what FuzzFill fills.
func targets() []any {
	return []any{
		&all{}, &map[string]any{}, &corev1.Pod{}, &corev1.Service{}, &corev1.ConfigMap{}, &corev1.Secret{}, &appsv1.Deployment{}, &batchv1.CronJob{},
		&networkingv1.Ingress{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{}, &autoscalingv2.HorizontalPodAutoscaler{},
	}
}

func FuzzFill(f *testing.F) {
	for _, text := range append(sure(), unsure()...) {
		f.Add(text)
	}
	for _, text := range objects() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return
		}
		asJSON, err := json.Marshal(value)
		require.NoError(t, err)
		for _, target := range targets() {
			empty := func() any { return reflect.New(reflect.TypeOf(target).Elem()).Interface() }
			if got, want := empty(), empty(); jsonvalue.Fill(value, got) {
				require.NoError(t, json.Unmarshal(asJSON, want))
				require.Equal(t, want, got)
			}
			if got, want := empty(), empty(); jsonvalue.FillStrictly(value, got) {
				strict, err := kjson.UnmarshalStrict(asJSON, want)
				require.NoError(t, err)
				require.Empty(t, strict)
				require.Equal(t, want, got)
			}
		}
	})
}
