package depcheck

const (
	helm       = "helm.sh/helm"
	kubernetes = "k8s.io"
	clientGo   = "k8s.io/client-go"
	cobra      = "github.com/spf13/cobra"
)

// plumbing is what every package may use.
var plumbing = []string{"pkg/internal/httpclient", "pkg/internal/httpserver", "pkg/internal/telemetry", "pkg/internal/tracing"}

func with(ours ...string) []string { return append(append([]string{}, plumbing...), ours...) }

// Rules is the table of docs/architecture.md, "Who may import whom".
func Rules() []Rule {
	return []Rule{
		{Package: "pkg/event"},
		{Package: "pkg/secret"},
		{Package: "pkg/secret/secrettest", Ours: []string{"pkg/secret"}, Others: []string{"github.com/stretchr/testify"}},
		{Package: "pkg/expression", Others: []string{"github.com/expr-lang/expr", "github.com/tidwall/gjson"}},
		{Package: "schemas"},
		{Package: "schemas/asyncapi"},
		{Package: "charts"},
		{
			Package: "pkg/connector",
			Ours:    []string{"pkg/event", "pkg/secret", "pkg/expression", "pkg/internal/safeyaml", "schemas"},
			Others:  []string{"sigs.k8s.io/yaml", "go.yaml.in/yaml/v3", "github.com/xeipuuv/gojsonschema", "github.com/tidwall/gjson"},
			Never:   []string{helm, kubernetes, "net/http/httptest"},
		},
		{
			Package: "pkg/catalog",
			Ours:    []string{"pkg/connector", "pkg/internal/jsonref", "pkg/internal/jsonschema"},
			Never:   []string{helm, kubernetes, "net/http/httptest"},
		},
		{
			Package: "pkg/mapping",
			Ours:    []string{"pkg/connector", "pkg/event", "pkg/expression"},
			Others:  []string{"github.com/tidwall/gjson"},
			Never:   []string{helm, kubernetes},
		},
		{
			Package: "pkg/addon",
			Ours:    []string{"pkg/connector", "pkg/mapping", "pkg/internal/jsonvalue", "pkg/internal/plainyaml", "pkg/internal/safeyaml", "schemas"},
			Others:  []string{"sigs.k8s.io/yaml", "go.yaml.in/yaml/v3", "github.com/Masterminds/semver/v3", "github.com/klauspost/compress"},
			Never:   []string{"pkg/registration/...", "pkg/gateway/...", clientGo, helm},
		},
		{
			Package: "pkg/addon/form",
			Ours:    []string{"pkg/connector", "pkg/internal/jsonref"},
			Others:  []string{"github.com/xeipuuv/gojsonschema"},
			Never:   []string{clientGo, helm},
		},
		{Package: "pkg/addon/addontest", Ours: []string{"pkg/addon", "pkg/addon/lint/examples"}, Others: []string{"github.com/stretchr/testify", "github.com/rogpeppe/go-internal"}},
		{
			Package: "pkg/addon/lint",
			Ours:    []string{"pkg/addon", "pkg/addon/form", "pkg/catalog", "pkg/connector", "pkg/event", "pkg/mapping", "pkg/sandbox/sample", "pkg/internal/jsonref", "pkg/internal/jsonschema", "pkg/internal/jsonvalue", "pkg/internal/plainyaml", "pkg/internal/safeyaml", "schemas", "schemas/asyncapi"},
			Others:  []string{"sigs.k8s.io/yaml", "go.yaml.in/yaml/v3", "github.com/xeipuuv/gojsonschema", "github.com/google/uuid", "github.com/Masterminds/semver/v3"},
			Never:   []string{"pkg/registration/...", "pkg/gateway/...", clientGo, helm},
		},
		{
			Package: "pkg/addon/scaffold",
			Ours:    []string{"charts", "pkg/addon", "pkg/addon/lint", "pkg/event", "schemas"},
			Others:  []string{"sigs.k8s.io/yaml", "github.com/google/uuid"},
			Never:   []string{"pkg/registration/...", "pkg/gateway/...", clientGo, helm},
		},
		{Package: "pkg/addon/lint/charts", Ours: []string{"pkg/addon", "pkg/addon/lint", "pkg/addon/helm", "pkg/addon/objects"}},
		{Package: "pkg/addon/lint/examples"},
		{Package: "pkg/addon/lint/pages", Ours: []string{"pkg/addon/lint", "pkg/addon/lint/examples"}, Others: []string{"github.com/rogpeppe/go-internal"}, Never: []string{clientGo, helm, cobra}},
		{Package: "pkg/addon/lint/report", Ours: []string{"pkg/addon/lint"}, Never: []string{clientGo, helm, cobra}},
		{Package: "pkg/addon/cache"},
		{Package: "pkg/addon/objects", Ours: []string{"pkg/internal/jsonvalue"}, Others: []string{kubernetes, "sigs.k8s.io/yaml"}, Never: []string{helm, cobra}},
		{Package: "pkg/addon/bump", Ours: []string{"pkg/addon"}, Others: []string{"github.com/Masterminds/semver/v3", "go.yaml.in/yaml/v3"}, Never: []string{clientGo, helm}},
		{
			Package: "pkg/addon/compat",
			Ours:    []string{"pkg/addon", "pkg/addon/form", "pkg/addon/provision", "pkg/connector"},
			Others:  []string{"github.com/Masterminds/semver/v3", "sigs.k8s.io/yaml"},
			Never:   []string{"pkg/registration/...", "pkg/gateway/..."},
		},
		{Package: "pkg/addon/source", Ours: []string{"pkg/addon"}, Never: []string{clientGo, helm}},
		{
			Package: "pkg/addon/doctor",
			Ours:    []string{"pkg/addon", "pkg/addon/form", "pkg/addon/helm", "pkg/addon/provision", "pkg/addon/source"},
			Others:  []string{"github.com/Masterminds/semver/v3", "sigs.k8s.io/yaml"},
			Never:   []string{"pkg/registration/...", "pkg/gateway/..."},
		},
		{Package: "pkg/addon/serve", Ours: []string{"pkg/addon"}, Never: []string{clientGo, helm}},
		{Package: "pkg/addon/verify", Ours: []string{"pkg/addon", "pkg/addon/helm"}},
		{Package: "pkg/addon/helm/engine", Ours: []string{"pkg/internal/plainyaml"}, Others: []string{helm, "github.com/Masterminds/sprig/v3", "sigs.k8s.io/yaml"}},
		{Package: "pkg/addon/helm", Ours: []string{"pkg/addon/helm/engine", "pkg/internal/jsonref", "pkg/internal/jsonvalue", "pkg/internal/plainyaml", "pkg/internal/safeyaml"}, Others: []string{helm, kubernetes, "sigs.k8s.io/yaml", "github.com/santhosh-tekuri/jsonschema/v6"}},
		{
			Package: "pkg/addon/provision",
			Ours:    []string{"pkg/addon", "pkg/addon/form", "pkg/addon/helm", "pkg/connector", "pkg/secret"},
			Others:  []string{"sigs.k8s.io/yaml", "github.com/google/uuid"},
			Never:   []string{"pkg/gateway/...", "pkg/registration/..."},
		},
		{
			Package: "pkg/system",
			Ours:    with("pkg/connector", "pkg/secret", "pkg/expression"),
			Others:  []string{"github.com/tidwall/gjson"},
			Never:   []string{"pkg/kyma/...", cobra, kubernetes, helm},
		},
		{
			Package: "pkg/registration",
			Ours:    with("pkg/system", "pkg/connector", "pkg/event", "pkg/secret", "pkg/expression"),
			Others:  []string{"github.com/google/uuid", "github.com/tidwall/gjson", "sigs.k8s.io/yaml"},
			Never:   []string{"pkg/kyma/...", cobra, clientGo, helm},
		},
		{
			Package: "pkg/subscription",
			Ours:    with("pkg/registration", "pkg/system", "pkg/connector", "pkg/secret", "pkg/expression"),
			Others:  []string{"github.com/tidwall/gjson"},
			Never:   []string{"pkg/kyma/...", cobra, clientGo, helm},
		},
		{
			Package: "pkg/registration/registrationtest",
			Ours:    with("pkg/registration", "pkg/connector", "pkg/secret", "pkg/secret/secrettest"),
			Others:  []string{"github.com/stretchr/testify", "github.com/google/uuid"},
		},
		{
			Package: "pkg/kyma/...",
			Ours:    with("pkg/registration", "pkg/subscription", "pkg/connector", "pkg/event", "pkg/secret", "pkg/expression"),
			Others:  []string{kubernetes, "sigs.k8s.io/yaml", "github.com/google/uuid"},
			Never:   []string{"pkg/gateway/...", "pkg/addon/...", helm, cobra},
		},
		// The cluster client is the one package of Kyma's that its siblings share.
		{Package: "pkg/kyma/kube/kubetest", Ours: []string{"pkg/simulator"}, Others: []string{kubernetes}},
		{
			Package: "pkg/kyma/application",
			Ours:    with("pkg/registration", "pkg/connector", "pkg/event", "pkg/secret", "pkg/expression", "pkg/kyma/kube"),
			Others:  []string{kubernetes, "sigs.k8s.io/yaml", "github.com/google/uuid"},
			Never:   []string{"pkg/gateway/...", "pkg/addon/...", helm, cobra},
		},
		{
			Package: "pkg/kyma/detect",
			Ours:    with("pkg/registration", "pkg/kyma/kube"),
			Others:  []string{kubernetes},
			Never:   []string{"pkg/gateway/...", "pkg/addon/...", helm, cobra},
		},
		{
			Package: "pkg/kyma/subscribed",
			Ours:    with("pkg/registration", "pkg/subscription", "pkg/event", "pkg/kyma/kube"),
			Others:  []string{kubernetes},
			Never:   []string{"pkg/gateway/...", "pkg/addon/...", helm, cobra},
		},
		{
			Package: "pkg/gateway",
			Ours:    with("pkg/event", "pkg/connector", "pkg/mapping", "pkg/secret", "pkg/expression"),
			Others:  []string{"github.com/VictoriaMetrics/metrics", "github.com/tidwall/gjson"},
			Never:   []string{"pkg/gateway/verify", "pkg/gateway/webhook", "pkg/gateway/relay", "pkg/gateway/buffer", "pkg/gateway/sink", "pkg/gateway/deadletter", clientGo, kubernetes, helm, cobra},
		},
		{
			Package: "pkg/gateway/...",
			Ours:    with("pkg/gateway", "pkg/system", "pkg/event", "pkg/catalog", "pkg/connector", "pkg/mapping", "pkg/secret", "pkg/expression", "pkg/internal/jsonschema"),
			Others:  []string{"go.etcd.io/bbolt", "github.com/nats-io/nats.go", "github.com/golang-jwt/jwt/v5", "github.com/google/uuid", "github.com/tidwall/gjson", "github.com/VictoriaMetrics/metrics"},
			Never:   []string{clientGo, kubernetes, helm, cobra},
		},
		// Of the broker only the packets are used: see docs/decisions/mqtt.md.
		{
			Package: "pkg/gateway/mqtt",
			Ours:    with("pkg/gateway"),
			Others:  []string{"github.com/coder/websocket", "github.com/mochi-mqtt/server/v2/packets"},
			Never:   []string{clientGo, kubernetes, helm, cobra},
		},
		{Package: "pkg/simulator", Ours: []string{"pkg/event", "pkg/simulator/internal/..."}, Others: []string{"github.com/coder/websocket"}},
		{Package: "pkg/simulator/internal/..."},
		{
			Package: "pkg/sandbox",
			Ours:    []string{"pkg/addon", "pkg/addon/provision", "pkg/sandbox/...", "pkg/simulator", "pkg/connector", "pkg/event", "pkg/secret", "pkg/expression"},
			Others:  []string{kubernetes, "sigs.k8s.io/yaml"},
			Never:   []string{"pkg/gateway/...", "pkg/registration/..."},
		},
		{Package: "pkg/sandbox/access", Ours: []string{"pkg/secret"}, Others: []string{kubernetes, "sigs.k8s.io/yaml"}, Never: []string{clientGo}},
		{Package: "pkg/sandbox/pod", Ours: []string{"pkg/secret"}, Others: []string{kubernetes}, Never: []string{clientGo}},
		{Package: "pkg/sandbox/proxy"},
		{
			Package: "pkg/sandbox/described",
			Ours:    []string{"pkg/connector", "pkg/expression", "pkg/mapping", "pkg/sandbox/sample", "pkg/simulator"},
			Others:  []string{"github.com/tidwall/gjson"},
			Never:   []string{"pkg/gateway/...", "pkg/registration/...", "pkg/system"},
		},
		{Package: "pkg/sandbox/sample", Ours: []string{"pkg/connector", "pkg/event", "pkg/expression", "pkg/secret", "pkg/simulator"}, Others: []string{"sigs.k8s.io/yaml"}},
		{Package: "pkg/cli/addonctl", Ours: []string{"pkg/..."}, Except: []string{"pkg/cli/...", "pkg/gateway/...", "pkg/registration/...", "pkg/kyma/..."}, Others: []string{cobra, "github.com/spf13/pflag", "sigs.k8s.io/yaml"}},
		{Package: "pkg/cli/registrationjob", Ours: []string{"pkg/..."}, Except: []string{"pkg/cli/...", "pkg/gateway/...", "pkg/addon/...", "pkg/sandbox", "pkg/simulator"}, Others: []string{cobra, "github.com/spf13/pflag", "sigs.k8s.io/yaml", kubernetes}, Never: []string{helm}},
		{Package: "pkg/cli/eventgateway", Ours: []string{"pkg/..."}, Except: []string{"pkg/cli/...", "pkg/registration/...", "pkg/kyma/...", "pkg/addon/...", "pkg/sandbox", "pkg/simulator"}, Others: []string{cobra, "github.com/spf13/pflag", "github.com/VictoriaMetrics/metrics"}, Never: []string{helm, kubernetes}},
		{Package: "pkg/cli/collect"}, // gets ready before anything else
		{Package: "pkg/internal/plainyaml", Others: []string{"sigs.k8s.io/yaml"}},
		{Package: "pkg/internal/safeyaml", Others: []string{"go.yaml.in/yaml/v3"}},
		{Package: "pkg/internal/jsonschema", Others: []string{"github.com/santhosh-tekuri/jsonschema/v6"}},
		{Package: "pkg/internal/tracing", Ours: []string{"pkg/internal/httpclient"}, Others: []string{"go.opentelemetry.io/otel", "google.golang.org/protobuf/encoding/protowire"}, Never: []string{"google.golang.org/grpc"}},
		{Package: "pkg/internal/cli/clitest", Others: []string{cobra, "github.com/stretchr/testify"}},
		{Package: "pkg/internal/...", Ours: []string{"pkg/secret"}, Others: []string{cobra, "github.com/spf13/pflag", "github.com/VictoriaMetrics/metrics", "github.com/stretchr/testify"}},
		{Package: "cmd/addonctl", Ours: []string{"pkg/cli/addonctl", "pkg/cli/collect", "pkg/internal/cli"}},
		{Package: "cmd/registration-job", Ours: []string{"pkg/cli/registrationjob", "pkg/internal/cli"}, Others: []string{"golang.org/x/crypto/x509roots/fallback"}},
		{Package: "cmd/event-gateway", Ours: []string{"pkg/cli/eventgateway", "pkg/internal/cli"}, Others: []string{"golang.org/x/crypto/x509roots/fallback"}},
	}
}
