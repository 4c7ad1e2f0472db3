package registrationjob_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/registrationjob"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"registration-job": func() { os.Exit(registrationjob.Process()) },
	})
}

// The secrets of the two systems.
const (
	odataPassword = "sample-odata-pa55word"
	eventPassword = "sample-event-pa55word"
	apiToken      = "SampleApiToken0123456789"
	sharedKey     = "sample-shared-k3y-0123456789"

	organizationToken = "sample-0rganization-secret"
)

// scene is a system, its definition and its parameters; $URL stands for its address.
type scene struct {
	system, variable, definition string
	params                       map[string]string
}

var odataScene = scene{"c4c", "C4C", "../../../charts/c4c-connector/files/connector.yaml", map[string]string{
	"system_url": "$URL", "basic_user": "_KYMA", "basic_password": odataPassword,
	"application_name": "c4c", "event_user": "c4c-sample", "event_password": eventPassword,
}}

var webhookScene = scene{"qualtrics", "QUALTRICS", "../../../charts/qualtrics-connector/files/connector.yaml", map[string]string{
	"system_url": "$URL", "api_key": apiToken, "application_name": "qualtrics", "cluster_domain": "kyma.example.com", "shared_key": sharedKey,
	"webhook_mode": "dynamic",
}}

var instanceScene = scene{"openconnectors", "OPENCONNECTORS", "../../../charts/openconnectors-connector/files/connector.yaml", map[string]string{
	"host_name": "example.com", "user_secret": apiToken, "organization_secret": organizationToken, "application_name": "openconnectors",
	"cluster_domain": "kyma.example.com",
	"signature_key":  sharedKey, "receive_events": "true",
}}

// world is what a story takes place in: a current, an old and a still older cluster, and a system.
type world struct {
	clusters map[string]*simulator.Kyma
	system   simulator.System
}

// TestStories runs the scripts below testdata/stories. In a script, $SYSTEM is the system's address, $C4C the
// definition, params.yaml has parameters (nobody.yaml an address where nobody listens); current.kubeconfig, old.kubeconfig and knative.kubeconfig are the clusters, bare.kubeconfig and gateless.kubeconfig the current one without Application Connector and without its gateway, of which
// $KUBECONFIG is the current one; $REGISTRY is the old one's Application Registry, $GATEWAY_CURRENT and $GATEWAY_OLD are Kyma's gateways, $COUNTS is an event gateway's admin port.
func TestStories(t *testing.T) {
	t.Parallel()
	tell(t, "testdata/stories", odataScene)
}

// TestWebhookStories runs those below testdata/webhooks: the same with a system at which webhooks are
// registered; the definition is $QUALTRICS.
func TestWebhookStories(t *testing.T) {
	t.Parallel()
	tell(t, "testdata/webhooks", webhookScene)
}

// TestInstanceStories runs those below testdata/instances: the same with a system that lists its APIs and has a
// webhook for each; the definition is $OPENCONNECTORS.
func TestInstanceStories(t *testing.T) {
	t.Parallel()
	tell(t, "testdata/instances", instanceScene)
}

func tell(t *testing.T, dir string, about scene) {
	t.Helper()
	definition, err := filepath.Abs(about.definition)
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv(about.variable, definition)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // programs with the race detector wait a second at their end
			return setUp(env, about)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "fault": fault, "writes": writes, "secret": readSecret, "kube": kubeCall, "leaks": leaks, "calls": calls,
		},
	})
}

func setUp(env *testscript.Env, about scene) error {
	w := &world{clusters: map[string]*simulator.Kyma{}}
	env.Values["world"] = w

	system := httptest.NewUnstartedServer(nil)
	system.Config.ErrorLog = log.New(io.Discard, "", 0)
	system.StartTLS()
	env.Defer(system.Close)
	params := map[string]string{}
	for name, value := range about.params {
		params[name] = strings.Replace(value, "$URL", system.URL, 1)
	}
	var err error
	if w.system, err = simulator.NewSystem(about.system, params); err != nil {
		return err
	}
	env.Defer(w.system.Close)
	for _, handler := range w.system.Hosts() {
		system.Config.Handler = handler
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: system.Certificate().Raw})
	paramsYAML, err := yaml.Marshal(params)
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.pem": authority, "params.yaml": paramsYAML}
	env.Setenv("SYSTEM", system.URL)
	env.Setenv("KC_ALLOW_ADDRESS", "127.0.0.1,::1")
	env.Setenv("SSL_CERT_FILE", filepath.Join(env.WorkDir, "ca.pem"))
	// A definition may ask for a host name only: example.com, which the certificate is for, is the system.
	proxy := httptest.NewServer(connectTo(system.Listener.Addr().String()))
	env.Defer(proxy.Close)
	env.Setenv("HTTPS_PROXY", proxy.URL)

	for name, options := range map[string]simulator.KymaOptions{
		"current": {Generation: simulator.Current, Namespaces: []string{"shop"}},
		"old":     {Generation: simulator.Old, Namespaces: []string{"shop"}, Applications: []string{about.params["application_name"]}},
		"knative": {Generation: simulator.Old, Knative: true, Namespaces: []string{"shop"}, Applications: []string{about.params["application_name"]}},
	} {
		options.SystemClient = system.Client()
		kyma, err := simulator.NewKyma(options)
		if err != nil {
			return err
		}
		env.Defer(kyma.Close)
		w.clusters[name] = kyma
		api := httptest.NewServer(kyma.KubeAPI())
		env.Defer(api.Close)
		files[name+".kubeconfig"] = []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %s}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
`, api.URL))
		if name == "current" {
			for without, path := range map[string]string{
				"bare":     "/apis/applicationconnector.kyma-project.io",
				"gateless": "/api/v1/namespaces/kyma-system/services/central-application-gateway",
			} {
				lacking := httptest.NewServer(lacks(path, kyma.KubeAPI()))
				env.Defer(lacking.Close)
				w.clusters[without] = kyma
				files[without+".kubeconfig"] = bytes.ReplaceAll(files["current.kubeconfig"], []byte(api.URL), []byte(lacking.URL))
			}
		}
		gateway := httptest.NewServer(kyma.ApplicationGateway())
		env.Defer(gateway.Close)
		env.Setenv("GATEWAY_"+strings.ToUpper(name), gateway.URL)
		if options.Generation == simulator.Old {
			registry := httptest.NewServer(kyma.Registry())
			env.Defer(registry.Close)
			suffix := map[string]string{"old": "", "knative": "_KNATIVE"}[name]
			env.Setenv("REGISTRIES"+suffix, registry.URL)
			env.Setenv("REGISTRY"+suffix, registry.URL+"/"+about.params["application_name"]+"/v1/metadata")
		}
	}
	counts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "kyma_connectors_gateway_event_types_total{type=\"Account.Root.Deleted.v1\"} 7\n"+
			"kyma_connectors_gateway_event_types_total{type=\"Account.Root.Created.v1\"} 9\n")
	}))
	env.Defer(counts.Close)
	env.Setenv("COUNTS", counts.URL)
	env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "current.kubeconfig"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	files["nobody.yaml"] = []byte("system_url: https://" + listener.Addr().String() + "\n")
	if err := listener.Close(); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// lacks is a cluster without what is below a path.
func lacks(path string, cluster http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
			return
		}
		cluster.ServeHTTP(w, r)
	}
}

// connectTo is a proxy that leads every connection to one address.
func connectTo(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		target, err := net.Dial("tcp", address)
		if r.Method != http.MethodConnect || err != nil {
			http.Error(w, "no connection", http.StatusBadGateway)
			return
		}
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(target, buffered)
			_ = target.Close()
		}()
		_, _ = io.Copy(connection, target)
		_ = connection.Close()
	}
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value("world").(*world) }

// exits runs a program that has to end with an exit code: exits CODE PROGRAM [ARGUMENT…].
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

// kubeCall makes a call to the cluster of $KUBECONFIG: kube METHOD PATH [FILE]. The answer is the file "answer".
func kubeCall(ts *testscript.TestScript, neg bool, args []string) {
	var body io.Reader
	if len(args) > 2 {
		document, err := yaml.YAMLToJSON([]byte(ts.ReadFile(args[2])))
		ts.Check(err)
		body = bytes.NewReader(document)
	}
	request := httptest.NewRequest(args[0], args[1], body)
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	cluster := strings.TrimSuffix(filepath.Base(ts.Getenv("KUBECONFIG")), ".kubeconfig")
	worldOf(ts).clusters[cluster].KubeAPI().ServeHTTP(recorder, request)
	if neg && recorder.Code == http.StatusNotFound {
		return
	}
	if neg || recorder.Code >= 300 {
		ts.Fatalf("%s %s: %d %s", args[0], args[1], recorder.Code, recorder.Body)
	}
	var indented bytes.Buffer
	ts.Check(json.Indent(&indented, recorder.Body.Bytes(), "", "  "))
	ts.Check(os.WriteFile(ts.MkAbs("answer"), indented.Bytes(), 0o600))
}

// fault spoils what the system answers below a path: fault PATH STATUS|login|hang [TIMES], or fault clear.
func fault(ts *testscript.TestScript, _ bool, args []string) {
	faults := worldOf(ts).system.Faults()
	if args[0] == "clear" {
		faults.Clear()
		return
	}
	f := simulator.Fault{Path: args[0]}
	switch args[1] {
	case "login":
		f.LoginPage = true
	case "hang":
		f.Latency = time.Minute
	default:
		status, err := strconv.Atoi(args[1])
		ts.Check(err)
		f.Status, f.Body = status, odataPassword // a body that must not be quoted
	}
	_, err := faults.Add(f)
	ts.Check(err)
}

// writes checks how many requests changed a cluster since the last time: writes current|old N.
func writes(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	counts := w.clusters[args[0]].Counts()
	total := counts.RegistryWrites + counts.KubernetesWrites
	key := "writes-" + args[0]
	before, _ := strconv.Atoi(ts.Getenv(key))
	ts.Setenv(key, strconv.Itoa(total))
	if got := strconv.Itoa(total - before); got != args[1] {
		ts.Fatalf("%s writes to the %s cluster, want %s", got, args[0], args[1])
	}
}

// readSecret prints a key of a Secret: secret NAMESPACE/NAME KEY, or checks that there is none: ! secret ….
func readSecret(ts *testscript.TestScript, neg bool, args []string) {
	namespace, name, _ := strings.Cut(args[0], "/")
	request := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets/"+name, nil)
	recorder := httptest.NewRecorder()
	worldOf(ts).clusters["current"].KubeAPI().ServeHTTP(recorder, request)
	if neg != (recorder.Code == http.StatusNotFound) {
		ts.Fatalf("secret %s: %d", args[0], recorder.Code)
	}
	if len(args) > 1 && !strings.Contains(recorder.Body.String(), `"`+args[1]+`"`) {
		ts.Fatalf("secret %s has no key %s", args[0], args[1])
	}
}

// leaks checks that no secret is in what the last command printed, or in a file: ! leaks [FILE…].
func leaks(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	for _, file := range args {
		text += ts.ReadFile(file)
	}
	found := false
	for _, s := range []string{odataPassword, eventPassword, apiToken, sharedKey, organizationToken} {
		found = found || strings.Contains(text, s)
	}
	if found == neg {
		ts.Fatalf("a secret was printed")
	}
}

// calls checks how often the system was called in some way and took it, since the last time: calls METHOD N.
func calls(ts *testscript.TestScript, _ bool, args []string) {
	total := 0
	for _, call := range worldOf(ts).system.Calls() {
		if call.Method == args[0] && call.Status < 300 {
			total++
		}
	}
	key := "calls-" + args[0]
	before, _ := strconv.Atoi(ts.Getenv(key))
	ts.Setenv(key, strconv.Itoa(total))
	if got := strconv.Itoa(total - before); got != args[1] {
		ts.Fatalf("%s calls by %s, want %s", got, args[0], args[1])
	}
}
