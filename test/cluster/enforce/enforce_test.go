package enforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kyma-connectors/kyma-connectors/test/cluster/policy"
)

// node is an Enforcer with a simulated API server; applied carries the rules that its firewall was given.
type node struct {
	socket  string
	client  *fake.Clientset
	applied chan string
}

// start runs an Enforcer until the test ends. The firewall refuses rules as often as refusals says.
func start(t *testing.T, refusals int, objects ...runtime.Object) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "policy") // the name of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	n := &node{socket: filepath.Join(dir, "s"), client: fake.NewClientset(objects...), applied: make(chan string, 1000)}
	e := Enforcer{
		Client: n.client, Socket: n.socket, Log: slog.New(slog.DiscardHandler),
		Node: policy.Node{Address: netip.MustParseAddr("10.88.0.1"), Pods: netip.MustParsePrefix("10.88.0.0/16"), Bridge: "cni0"},
		Apply: func(_ context.Context, ruleset string) error {
			if refusals--; refusals >= 0 {
				return errors.New("not now")
			}
			n.applied <- ruleset
			return nil
		},
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the test's ends before its Enforcer
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return n
}

// until waits for the rules that are asked for.
func (n *node) until(t *testing.T, has func(rules string) bool) string {
	t.Helper()
	for {
		select {
		case rules := <-n.applied:
			if has(rules) {
				return rules
			}
		case <-t.Context().Done():
			require.Fail(t, "the rules never came")
		}
	}
}

// add is what containerd does before it starts a pod's containers.
func (n *node) add(t *testing.T, container, pod, uid, address string) (stdout string, err error) {
	t.Helper()
	return n.plugin(t, "ADD", container, "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME="+pod+";K8S_POD_UID="+uid,
		fmt.Sprintf(`{"cniVersion": "1.0.0", "socket": %q, "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "%s/16"}]}}`, n.socket, address))
}

func (n *node) plugin(t *testing.T, command, container, args, stdin string) (stdout string, err error) {
	t.Helper()
	env := map[string]string{"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_ARGS": args}
	var out bytes.Buffer
	err = Plugin(t.Context(), func(name string) string { return env[name] }, strings.NewReader(stdin), &out)
	return out.String(), err
}

func pod(name, address string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)}, Status: corev1.PodStatus{PodIP: address, Phase: corev1.PodRunning}}
	for _, c := range change {
		c(p)
	}
	return p
}

func denyAll() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "deny-all"}, Spec: networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}}
}

func contains(text string) func(string) bool {
	return func(rules string) bool { return strings.Contains(rules, text) }
}

func TestNoContainerStartsBeforeTheRulesKnowItsPod(t *testing.T) {
	t.Parallel()
	n := start(t, 0, denyAll(), pod("new", ""))
	out, err := n.add(t, "c1", "new", "uid-new", "10.88.0.7")
	require.NoError(t, err)
	assert.JSONEq(t, `{"cniVersion": "1.0.0", "ips": [{"address": "10.88.0.7/16"}]}`, out, "the result of the plug-in before")
	last := ""
	for len(n.applied) > 0 {
		last = <-n.applied
	}
	assert.Contains(t, last, "10.88.0.7 : jump egress-1")
}

func TestRulesThatTheFirewallRefusedAreTriedAgain(t *testing.T) {
	t.Parallel()
	n := start(t, 1, pod("new", ""))
	_, err := n.add(t, "c1", "new", "uid-new", "10.88.0.7")
	require.NoError(t, err)
	assert.Contains(t, <-n.applied, "table inet network-policies")
}

func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	n := start(t, 0, pod("a", "10.88.0.7"))
	n.until(t, contains("{ 10.88.0.1, 10.88.0.7 }"))
	_, err := n.client.NetworkingV1().NetworkPolicies("default").Create(t.Context(), denyAll(), metav1.CreateOptions{})
	require.NoError(t, err)
	n.until(t, contains("10.88.0.7 : jump ingress-1"))
	require.NoError(t, n.client.CoreV1().Pods("default").Delete(t.Context(), "a", metav1.DeleteOptions{}))
	n.until(t, func(rules string) bool { return !strings.Contains(rules, "10.88.0.7") })
}

func TestAnAddressIsThatOfThePodThatHasItNow(t *testing.T) {
	t.Parallel()
	n := start(t, 0,
		denyAll(), pod("gone", "10.88.0.7"), pod("new", ""),
		pod("ended", "10.88.0.8", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("failed", "10.88.0.9", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		pod("of-the-node", "10.88.0.2", func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
		pod("elsewhere", "10.88.0.7", func(p *corev1.Pod) { p.Namespace = "other" }))
	rules := n.until(t, contains("10.88.0.7"))
	for _, none := range []string{"10.88.0.8", "10.88.0.9", "10.88.0.2"} {
		assert.NotContains(t, rules, none)
	}
	_, err := n.add(t, "c1", "new", "uid-new", "10.88.0.8")
	require.NoError(t, err)
	n.until(t, contains("10.88.0.8 : jump egress-1"))
	_, err = n.plugin(t, "DEL", "c1", "", fmt.Sprintf(`{"socket": %q}`, n.socket))
	require.NoError(t, err)
	require.NoError(t, n.client.CoreV1().Pods("default").Delete(t.Context(), "new", metav1.DeleteOptions{}))
	n.until(t, func(rules string) bool { return !strings.Contains(rules, "10.88.0.8") })
}

func TestAPodOfTheSameNameIsAnotherOne(t *testing.T) {
	t.Parallel()
	s, known := stateOf(t, map[string]sandbox{"c1": {Container: "c1", Namespace: "default", Name: "a", UID: "uid-before", Address: netip.MustParseAddr("10.88.0.7")}}, pod("a", ""))
	assert.Empty(t, s.Pods)
	assert.Empty(t, known)
	s, known = stateOf(t, map[string]sandbox{"c1": {Container: "c1", Namespace: "default", Name: "a", UID: "uid-a", Address: netip.MustParseAddr("10.88.0.7")}}, pod("a", ""))
	assert.Len(t, s.Pods, 1)
	assert.True(t, known["c1"])
}

// stateOf is the state with these pods and nothing else.
func stateOf(t *testing.T, told map[string]sandbox, pods ...runtime.Object) (policy.State, map[string]bool) {
	t.Helper()
	o, err := Enforcer{Client: fake.NewClientset(pods...)}.watch(t.Context(), make(chan struct{}, 1))
	require.NoError(t, err)
	return o.state(told)
}

func TestWhatTheRuntimeIsTold(t *testing.T) {
	t.Parallel()
	n := &node{socket: filepath.Join(t.TempDir(), "nobody")}
	for name, tc := range map[string]struct{ command, stdin, out, failure string }{
		"versions":                 {command: "VERSION", stdin: "{}", out: `"supportedVersions": ["1.0.0"]`},
		"nothing to check":         {command: "CHECK", stdin: "{}"},
		"nobody there to forget":   {command: "DEL", stdin: `{"socket": "/nowhere"}`},
		"no configuration":         {command: "ADD", stdin: "", failure: "configuration of the network plug-in"},
		"no result before":         {command: "ADD", stdin: `{"socket": "/nowhere"}`, failure: "result of the plug-in before"},
		"no address in the result": {command: "ADD", stdin: `{"socket": "/nowhere", "prevResult": {}}`, failure: "gave container c1 no address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := n.plugin(t, tc.command, "c1", "", tc.stdin)
			if tc.failure != "" {
				require.ErrorContains(t, err, tc.failure)
				assert.Contains(t, out, `"code":11`, "try again later")
				return
			}
			require.NoError(t, err)
			assert.Contains(t, out, tc.out)
		})
	}
}

func TestNftSaysWhatItDoesNotTake(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "nft")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n[ \"$(cat)\" = good ] && exit\necho 'line 1: not this'\necho more\nexit 1\n"), 0o700))
	require.NoError(t, Nft(program)(t.Context(), "good"))
	assert.EqualError(t, Nft(program)(t.Context(), "bad"), "nft: exit status 1: line 1: not this")
}
