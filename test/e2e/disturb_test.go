//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// senderTimeout is how long the systems wait for an answer: with the plan production, no event may have to wait longer
// before it is taken.
const senderTimeout = 10 * time.Second

// books are what the load says at its end.
type books struct {
	Offered, Acknowledged, Refused, Unanswered, Delivered, Lost, Duplicates int

	LongestMilliseconds int64
	GaveUp              int64
	Problem, Text       string
}

// TestDisturbances breaks something while events come in, and compares what was offered with what arrived: nothing that
// was acknowledged may be lost, in any plan.
func TestDisturbances(t *testing.T) {
	s := newSuite(t)
	y := s.system(t, "c4c")
	s.load(t)
	disk := map[string]any{"type": "disk", "disk": map[string]any{"size": "64Mi"}}
	stream := map[string]any{"type": "jetstream", "jetstream": map[string]any{"url": "nats://nats.kyma-system:4222", "size": "64Mi"}}
	for _, plan := range []struct {
		name   string
		values map[string]any
		keeps  bool // takes events although Kyma does not
	}{
		{"default", nil, false},
		{"production", map[string]any{"gateway": map[string]any{"replicas": 2}, "buffer": disk}, true},
		{"jetstream", map[string]any{"gateway": map[string]any{"replicas": 2}, "buffer": stream}, true},
	} {
		if only := os.Getenv("E2E_PLANS"); only != "" && !strings.Contains(only, plan.name) {
			continue
		}
		t.Run(plan.name, func(t *testing.T) {
			r := s.newRelease(t, y, "load-"+plan.name, "busy", map[string]string{"application_name": "busy-" + plan.name})
			r.install(t, plan.values)
			d := &disturbed{release: r, plan: plan.name, values: plan.values, keeps: plan.keeps}
			d.kind = "deployment"
			if plan.name == "production" {
				d.kind = "statefulset"
			}
			d.under(t, "nothing", false, func(t *testing.T) { time.Sleep(5 * time.Second) })
			if plan.name != "default" {
				d.shared(t)
			}
			d.under(t, "a pod is deleted", false, d.deletePod)
			if os.Getenv("E2E_LEAVE") == "" { // a cluster of others has its processes elsewhere
				d.under(t, "a container is killed", true, d.killContainer)
			}
			d.under(t, "the gateway is rolled out anew", false, d.rollOut)
			d.under(t, "helm upgrade with another password of the system", false, d.rotate)
			d.under(t, "Kyma takes no events", false, d.outage)
			d.under(t, "the node is drained", false, d.drain)
			r.uninstall(t)
		})
	}
}

// load starts who sends much.
func (s *suite) load(t *testing.T) {
	t.Helper()
	s.certificate(t, systemsSpace, "load-tls", "load")
	s.apply(t, s.manifest(t, "load.yaml", map[string]any{"Namespace": systemsSpace, "Registry": s.registry, "Tag": tag}))
	s.rollout(t, systemsSpace+"/load")
}

// TestRotation changes, under load, a secret that the gateway checks deliveries with, in one step: the gateway takes both, and the
// Job gives the new one to the system when all pods know it. The system never repeats what was refused, so no delivery may be.
func TestRotation(t *testing.T) {
	s := newSuite(t)
	y := s.system(t, "github")
	s.load(t)
	former, present := "the-former-secret-of-the-webhook", "the-present-secret-of-the-webhook"
	r := s.newRelease(t, y, "rotation", "rotated", map[string]string{"application_name": "rotated", "secret": former})
	values := map[string]any{"gateway": map[string]any{"replicas": 2}}
	r.install(t, values)
	d := &disturbed{release: r, plan: "default, 2 replicas", values: values, keeps: true, kind: "deployment"}
	d.secrets = []string{former}
	d.under(t, "helm upgrade with another webhook secret", false, func(t *testing.T) {
		r.form["secret"], r.form["previous_secret"] = present, former
		d.upgrade(t, d.values)
		s.proxied(t, systemsSpace, "load", "/secrets", []string{present}, nil) // as the system does from now on
	})
	r.connect(t)
	y.fire(t, r)
	d.secrets = []string{present}
	d.under(t, "helm upgrade that shuts the former one out", false, func(t *testing.T) {
		delete(r.form, "previous_secret")
		d.change(t)
	})
	var b books
	s.proxied(t, systemsSpace, "load", "/start", d.assignment(t, former), nil)
	time.Sleep(2 * time.Second)
	s.proxied(t, systemsSpace, "load", "/secrets", []string{present}, nil) // or nobody ever takes what was offered
	s.proxied(t, systemsSpace, "load", "/stop", map[string]any{}, &b)
	assert.Contains(t, b.Text, "401:", "the former secret is refused when it is not given any more")
	assert.Empty(t, b.Problem)
	r.uninstall(t)
}

// disturbed is a release under load.
type disturbed struct {
	*release
	plan, kind string
	values     map[string]any
	keeps      bool
	secrets    []string // of GitHub's webhook; none for SAP Cloud for Customer
	runs       int
}

// assignment is what the load is told.
func (d *disturbed) assignment(t *testing.T, secrets ...string) map[string]any {
	t.Helper()
	d.runs++
	a := map[string]any{
		"URL":     "https://" + d.hosts(t)[0] + d.system.definition.Deliveries[0].HTTP.Path,
		"Secrets": secrets, "Prefix": fmt.Sprintf("%s-%d-%d", d.namespace, d.runs, time.Now().Unix()), "Senders": 8, "PauseMilliseconds": 50,
	}
	if len(secrets) == 0 {
		a["User"], a["Password"] = d.value(t, "event_user"), d.value(t, "event_password")
	}
	return a
}

// under sends events while something happens, and a little longer.
func (d *disturbed) under(t *testing.T, what string, kills bool, happens func(t *testing.T)) {
	t.Run(what, func(t *testing.T) {
		d.s.proxied(t, systemsSpace, "load", "/start", d.assignment(t, d.secrets...), nil)
		stopped := false
		var b books
		stop := func() {
			stopped = true
			d.s.proxied(t, systemsSpace, "load", "/stop", map[string]any{}, &b)
		}
		defer func() {
			if !stopped {
				stop()
			}
		}()
		time.Sleep(2 * time.Second)
		if kills {
			d.s.proxied(t, systemsSpace, "load", "/broke", map[string]any{}, nil)
		}
		happens(t)
		time.Sleep(3 * time.Second)
		stop()
		longest := time.Duration(b.LongestMilliseconds) * time.Millisecond
		report.disturbances = append(report.disturbances, fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %.1f s |\n",
			d.plan, what, b.Offered, b.Acknowledged, b.Refused, b.Unanswered, b.Lost, b.Duplicates, longest.Seconds()))
		t.Log(b.Text, "longest wait", longest)
		assert.Empty(t, b.Problem)
		assert.Zero(t, b.GaveUp, "events that nobody took for two minutes")
		assert.Positive(t, b.Acknowledged)
		assert.NotContains(t, b.Text, "401:", "nobody was refused for a wrong secret")
		if d.keeps {
			assert.Less(t, longest, senderTimeout, "an event had to wait longer than its sender does")
		}
	})
}

const gateways = "app.kubernetes.io/component=gateway"

// pods are the gateway's pods that run, as name and UID.
func (d *disturbed) pods(t *testing.T) (pods [][2]string) {
	t.Helper()
	out := d.s.kubectl(t, "-n", d.namespace, "get", "pods", "-l", gateways, "--field-selector=status.phase=Running", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		require.Len(t, fields, 2)
		pods = append(pods, [2]string{fields[0], fields[1]})
	}
	require.NotEmpty(t, pods, "pods of the gateway")
	return pods
}

// metrics are those of a pod of the gateway.
func (d *disturbed) metrics(t *testing.T, pod string) string {
	t.Helper()
	return d.s.kubectl(t, "get", "--raw", "/api/v1/namespaces/"+d.namespace+"/pods/"+pod+":8081/proxy/metrics")
}

// reloads counts how often each pod has read changed Secrets.
func (d *disturbed) reloads(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, pod := range d.pods(t) {
		found := regexp.MustCompile(`(?m)^kyma_connectors_gateway_reloads_total\{result="ok"\} (\d+)`).FindStringSubmatch(d.metrics(t, pod[0]))
		require.NotNil(t, found, "the pod %s does not count its reloads", pod[0])
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		counts[pod[0]] = n
	}
	return counts
}

// change upgrades the release to other Secrets, and waits until every pod has read them.
func (d *disturbed) change(t *testing.T) {
	t.Helper()
	before := d.reloads(t)
	d.upgrade(t, d.values)
	eventually(t, 3*time.Minute, func() string {
		for pod, n := range d.reloads(t) {
			if n <= before[pod] {
				return "the pod " + pod + " has not read its Secrets again"
			}
		}
		return ""
	})
}

// shared checks that every replica accepted and published its part of what was sent so far.
func (d *disturbed) shared(t *testing.T) {
	t.Helper()
	for _, pod := range d.pods(t) {
		metrics := d.metrics(t, pod[0])
		assert.Regexp(t, `(?m)^kyma_connectors_gateway_events_total\{[^}]*outcome="accepted"[^}]*\} [1-9]`, metrics, "%s took no event", pod[0])
		assert.Regexp(t, `(?m)^kyma_connectors_gateway_publications_total\{[^}]*result="ok"[^}]*\} [1-9]`, metrics, "%s published no event", pod[0])
	}
}

// ready waits until the gateway is complete again.
func (d *disturbed) ready(t *testing.T) {
	t.Helper()
	d.s.kubectl(t, "-n", d.namespace, "rollout", "status", d.kind+"/"+d.name+"-gateway", "--timeout=120s")
}

func (d *disturbed) deletePod(t *testing.T) {
	d.s.kubectl(t, "-n", d.namespace, "delete", "pod", d.pods(t)[0][0], "--wait=false")
	time.Sleep(time.Second) // until it counts as gone
	d.ready(t)
}

func (d *disturbed) rollOut(t *testing.T) {
	d.s.kubectl(t, "-n", d.namespace, "rollout", "restart", d.kind+"/"+d.name+"-gateway")
	d.ready(t)
}

// killContainer kills the gateway's process from outside, as the kernel does when memory runs out.
func (d *disturbed) killContainer(t *testing.T) {
	uid := d.pods(t)[0][1]
	same := regexp.MustCompile("pod" + strings.ReplaceAll(uid, "-", "[-_]"))
	processes, err := filepath.Glob("/proc/[0-9]*/cgroup")
	require.NoError(t, err)
	killed := 0
	for _, file := range processes {
		groups, err := os.ReadFile(file)
		if err != nil || !same.Match(groups) {
			continue
		}
		dir := filepath.Dir(file)
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.Contains(string(command), "event-gateway") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		require.NoError(t, err)
		process, err := os.FindProcess(pid)
		require.NoError(t, err)
		require.NoError(t, process.Kill())
		killed++
	}
	require.Equal(t, 1, killed, "processes of the gateway in pod %s: on a cluster of other machines, run the tests on its node", uid)
	time.Sleep(2 * time.Second)
	d.ready(t)
}

// rotate gives the system another password, and the release too.
func (d *disturbed) rotate(t *testing.T) {
	params := map[string]string{}
	for name, value := range d.system.params {
		params[name] = value
	}
	params["basic_password"] = fmt.Sprintf("rotated-%d", time.Now().UnixNano())
	d.s.systemParams(t, d.system.name, params)
	d.s.kubectl(t, "-n", systemsSpace, "rollout", "restart", "deployment/"+d.system.name)
	d.s.rollout(t, systemsSpace+"/"+d.system.name)
	d.system.params, d.form["basic_password"] = params, params["basic_password"]
	generated := d.s.secret(t, d.namespace, d.name+"-generated")
	d.upgrade(t, d.values)
	d.registered(t, "basic_password")
	assert.Equal(t, generated, d.s.secret(t, d.namespace, d.name+"-generated"), "what was generated is kept")
}

// outage takes Kyma's event publisher away for a while.
func (d *disturbed) outage(t *testing.T) {
	d.s.kubectl(t, "-n", "kyma-system", "scale", "deployment/eventing-publisher-proxy", "--replicas=0")
	time.Sleep(15 * time.Second)
	d.s.kubectl(t, "-n", "kyma-system", "scale", "deployment/eventing-publisher-proxy", "--replicas=1")
	d.s.rollout(t, "kyma-system/eventing-publisher-proxy")
}

// drain empties the node of the gateway's pods, as far as the budget allows, and lets them come back. There is one node:
// what was evicted finds no place meanwhile.
func (d *disturbed) drain(t *testing.T) {
	node := strings.TrimSpace(d.s.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
	defer d.ready(t)
	defer d.s.kubectl(t, "uncordon", node)
	before := len(d.pods(t))
	out, err := d.s.try(t.Context(), nil, "kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector="+gateways, "--timeout=30s")
	if before > 1 {
		require.Error(t, err, "the budget keeps one pod: %s", out)
		require.Contains(t, err.Error(), "disruption budget")
	} else {
		require.NoError(t, err)
	}
}
