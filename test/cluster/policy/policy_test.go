package policy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// The pods of all tests, by the names that they are called in tests.
const (
	db       = "10.88.0.10" // default, role: db
	frontend = "10.88.0.11" // default, role: frontend
	other    = "10.88.0.12" // default
	mine     = "10.88.0.20" // in myproject, labelled project: myproject
	client   = "10.88.0.30" // in alice, labelled user: alice; role: client
	alices   = "10.88.0.31" // in alice
	ours     = "10.88.0.13" // default, role: client
	node     = "10.88.0.1"
	outside  = "172.17.0.5"
)

func state(t *testing.T, policies ...string) State {
	t.Helper()
	s := State{
		Namespaces: []*corev1.Namespace{
			namespace("default", nil), namespace("myproject", map[string]string{"project": "myproject"}), namespace("alice", map[string]string{"user": "alice"}),
		},
		Pods: []Pod{
			pod("default", other, nil),
			pod("default", db, map[string]string{"role": "db"}, port("redis", 6379, ""), port("metrics", 9121, corev1.ProtocolTCP), port("metrics", 9122, corev1.ProtocolUDP)),
			pod("default", frontend, map[string]string{"role": "frontend"}, port("metrics", 9000, "")),
			pod("default", ours, map[string]string{"role": "client"}),
			pod("myproject", mine, nil, port("metrics", 9100, "")),
			pod("alice", client, map[string]string{"role": "client"}),
			pod("alice", alices, nil),
		},
	}
	for _, text := range policies {
		p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default"}}
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &p.Spec))
		p.Name = string(rune('a' + len(s.Policies)))
		s.Policies = append(s.Policies, p)
	}
	return s
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	all := map[string]string{"kubernetes.io/metadata.name": name}
	for k, v := range labels {
		all[k] = v
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: all}}
}

func pod(namespace, address string, labels map[string]string, ports ...corev1.ContainerPort) Pod {
	return Pod{Namespace: namespace, Name: address, Labels: labels, Address: netip.MustParseAddr(address), Ports: ports}
}

func port(name string, number int32, protocol corev1.Protocol) corev1.ContainerPort {
	return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: protocol}
}

// passes reads the rules as a firewall does, for the first packet of a connection.
func (r Rules) passes(from, to string, protocol corev1.Protocol, port int32) bool {
	source, target := netip.MustParseAddr(from), netip.MustParseAddr(to)
	allowed := func(chain *Chain, peer, own netip.Addr) bool {
		return chain == nil || slices.ContainsFunc(chain.Allow, func(a Allow) bool {
			return a.reaches(peer) && (a.Own == nil || slices.Contains(a.Own, own)) && (a.Protocol == "" || a.Protocol == protocol) &&
				(a.Ports == nil || slices.ContainsFunc(a.Ports, func(r Range) bool { return r.First <= port && port <= r.Last }))
		})
	}
	return source == target || allowed(r.Egress[source], target, source) && allowed(r.Ingress[target], source, target)
}

// try is one connection, by TCP unless it says otherwise.
type try struct {
	from, to string
	port     int32
	protocol corev1.Protocol
}

// TestWhoMayTalkToWhom takes the examples of Kubernetes' documentation of network policies, and what its reference of the API says.
func TestWhoMayTalkToWhom(t *testing.T) {
	t.Parallel()
	const denyAll = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
	for name, tc := range map[string]struct {
		policies []string
		yes, no  []try
	}{
		"without policies everybody may": {
			yes: []try{{from: other, to: db, port: 1}, {from: alices, to: db, port: 1}, {from: db, to: outside, port: 1}},
		},
		"the example of the concept": {
			policies: []string{`
podSelector: {matchLabels: {role: db}}
policyTypes: [Ingress, Egress]
ingress:
  - from:
      - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
      - namespaceSelector: {matchLabels: {project: myproject}}
      - podSelector: {matchLabels: {role: frontend}}
    ports: [{protocol: TCP, port: 6379}]
egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/24}}]
    ports: [{protocol: TCP, port: 5978}]`},
			yes: []try{
				{from: frontend, to: db, port: 6379}, {from: mine, to: db, port: 6379}, {from: "172.17.0.5", to: db, port: 6379}, {from: "172.17.2.255", to: db, port: 6379},
				{from: db, to: "10.0.0.9", port: 5978}, {from: other, to: frontend, port: 1}, {from: frontend, to: outside, port: 1},
			},
			no: []try{
				{from: "172.17.1.5", to: db, port: 6379}, {from: other, to: db, port: 6379}, {from: client, to: db, port: 6379}, {from: frontend, to: db, port: 6380},
				{from: frontend, to: db, port: 6379, protocol: corev1.ProtocolUDP}, {from: db, to: "10.0.1.9", port: 5978}, {from: db, to: "10.0.0.9", port: 5979}, {from: db, to: frontend, port: 5978},
			},
		},
		"deny all that comes in": {
			policies: []string{`{podSelector: {}, policyTypes: [Ingress]}`},
			yes:      []try{{from: db, to: mine, port: 1}, {from: db, to: outside, port: 1}, {from: db, to: db, port: 1}},
			no:       []try{{from: mine, to: db, port: 1}, {from: other, to: db, port: 1}, {from: outside, to: db, port: 1}},
		},
		"allow all that comes in, whatever other policies say": {
			policies: []string{denyAll, `{podSelector: {}, ingress: [{}], policyTypes: [Ingress]}`},
			yes:      []try{{from: mine, to: db, port: 1}, {from: outside, to: db, port: 1, protocol: corev1.ProtocolSCTP}},
			no:       []try{{from: db, to: mine, port: 1}},
		},
		"deny all that goes out": {
			policies: []string{`{podSelector: {}, policyTypes: [Egress]}`},
			yes:      []try{{from: mine, to: db, port: 1}},
			no:       []try{{from: db, to: mine, port: 1}, {from: db, to: other, port: 1}, {from: db, to: node, port: 6443}},
		},
		"allow all that goes out": {
			policies: []string{denyAll, `{podSelector: {}, egress: [{}], policyTypes: [Egress]}`},
			yes:      []try{{from: db, to: mine, port: 1}, {from: db, to: node, port: 6443}},
			no:       []try{{from: db, to: other, port: 1}}, // which lets nobody in
		},
		"deny all": {
			policies: []string{denyAll},
			yes:      []try{{from: mine, to: client, port: 1}, {from: db, to: db, port: 6379}}, // elsewhere, and oneself
			no:       []try{{from: mine, to: db, port: 1}, {from: db, to: mine, port: 1}, {from: db, to: other, port: 53, protocol: corev1.ProtocolUDP}},
		},
		"a range of ports": {
			policies: []string{`
podSelector: {matchLabels: {role: db}}
policyTypes: [Egress]
egress: [{to: [{ipBlock: {cidr: 10.0.0.0/24}}], ports: [{protocol: TCP, port: 32000, endPort: 32768}]}]`},
			yes: []try{{from: db, to: "10.0.0.1", port: 32000}, {from: db, to: "10.0.0.1", port: 32768}},
			no:  []try{{from: db, to: "10.0.0.1", port: 31999}, {from: db, to: "10.0.0.1", port: 32769}},
		},
		"namespaces by expression": {
			policies: []string{`
podSelector: {matchLabels: {role: db}}
policyTypes: [Egress]
egress: [{to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [alice, bob]}]}}]}]`},
			yes: []try{{from: db, to: client, port: 1}, {from: db, to: alices, port: 1}},
			no:  []try{{from: db, to: mine, port: 1}, {from: db, to: other, port: 1}},
		},
		"pods by expression": {
			policies: []string{`{podSelector: {matchExpressions: [{key: role, operator: Exists}, {key: role, operator: NotIn, values: [frontend]}]}}`},
			yes:      []try{{from: mine, to: frontend, port: 1}, {from: mine, to: other, port: 1}},
			no:       []try{{from: mine, to: db, port: 1}, {from: mine, to: ours, port: 1}},
		},
		"namespace and pod in one peer: both": {
			policies: []string{`{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {user: alice}}, podSelector: {matchLabels: {role: client}}}]}]}`},
			yes:      []try{{from: client, to: db, port: 1}},
			no:       []try{{from: alices, to: db, port: 1}, {from: ours, to: db, port: 1}},
		},
		"namespace and pod in two peers: either": {
			policies: []string{`{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {user: alice}}}, {podSelector: {matchLabels: {role: client}}}]}]}`},
			yes:      []try{{from: client, to: db, port: 1}, {from: alices, to: db, port: 1}, {from: ours, to: db, port: 1}},
			no:       []try{{from: mine, to: db, port: 1}, {from: other, to: db, port: 1}},
		},
		"empty selectors: all namespaces, all pods of the own one": {
			policies: []string{
				`{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{namespaceSelector: {}}]}]}`,
				`{podSelector: {matchLabels: {role: frontend}}, ingress: [{from: [{podSelector: {}}]}]}`,
			},
			yes: []try{{from: mine, to: db, port: 1}, {from: other, to: db, port: 1}, {from: other, to: frontend, port: 1}},
			no:  []try{{from: outside, to: db, port: 1}, {from: mine, to: frontend, port: 1}},
		},
		"types that are not named: what comes in, and what goes out where there are rules for it": {
			policies: []string{
				`{podSelector: {matchLabels: {role: db}}}`,
				`{podSelector: {matchLabels: {role: frontend}}, egress: [{ports: [{port: 1}]}]}`,
			},
			yes: []try{{from: db, to: mine, port: 1}, {from: frontend, to: mine, port: 1}},
			no:  []try{{from: mine, to: db, port: 1}, {from: mine, to: frontend, port: 1}, {from: frontend, to: mine, port: 2}},
		},
		"rules of a direction that the types leave out count for nothing": {
			policies: []string{`{podSelector: {matchLabels: {role: db}}, policyTypes: [Ingress], ingress: [{}], egress: [{ports: [{port: 1}]}]}`},
			yes:      []try{{from: db, to: mine, port: 2}, {from: mine, to: db, port: 2}},
		},
		"policies add up": {
			policies: []string{denyAll,
				`{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{podSelector: {matchLabels: {role: frontend}}}], ports: [{port: 1}]}]}`,
				`{podSelector: {matchLabels: {role: db}}, ingress: [{ports: [{port: 2}]}]}`,
				`{podSelector: {matchLabels: {role: frontend}}, egress: [{}]}`},
			yes: []try{{from: frontend, to: db, port: 1}, {from: frontend, to: db, port: 2}, {from: mine, to: db, port: 2}},
			no:  []try{{from: mine, to: db, port: 1}, {from: other, to: db, port: 2}},
		},
		"protocols": {
			policies: []string{`{podSelector: {matchLabels: {role: db}}, ingress: [{ports: [{port: 53, protocol: UDP}, {port: 53}, {protocol: SCTP}, {protocol: SCTP, port: 7}, {port: 50, endPort: 60}]}]}`},
			yes: []try{
				{from: mine, to: db, port: 53}, {from: mine, to: db, port: 53, protocol: corev1.ProtocolUDP}, {from: mine, to: db, port: 9, protocol: corev1.ProtocolSCTP},
				{from: mine, to: db, port: 60},
			},
			no: []try{{from: mine, to: db, port: 50, protocol: corev1.ProtocolUDP}, {from: mine, to: db, port: 61}},
		},
		"names of ports, of the pod that is called": {
			policies: []string{
				`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}], ports: [{port: metrics}]}]}`,
				`{podSelector: {matchLabels: {role: frontend}}, policyTypes: [Egress], egress: [{ports: [{port: metrics}, {port: metrics, protocol: UDP}, {port: nothing}]}]}`,
			},
			yes: []try{
				{from: mine, to: db, port: 9121}, {from: mine, to: frontend, port: 9000}, {from: frontend, to: db, port: 9121}, {from: frontend, to: mine, port: 9100},
			},
			no: []try{
				{from: mine, to: db, port: 9000}, {from: mine, to: frontend, port: 9121}, {from: mine, to: db, port: 9122, protocol: corev1.ProtocolUDP}, {from: mine, to: other, port: 9121},
				{from: outside, to: db, port: 9121}, {from: frontend, to: mine, port: 9121}, {from: frontend, to: outside, port: 9100},
			},
		},
		"names of ports of peers in a block": {
			policies: []string{`{podSelector: {matchLabels: {role: frontend}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.88.0.0/16, except: [10.88.0.20/32]}}], ports: [{port: metrics}]}]}`},
			yes:      []try{{from: frontend, to: db, port: 9121}},
			no:       []try{{from: frontend, to: mine, port: 9100}, {from: frontend, to: other, port: 9121}},
		},
		"blocks of version 6 are nobody here": {
			policies: []string{`{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`},
			no:       []try{{from: mine, to: db, port: 1}, {from: outside, to: db, port: 1}},
		},
		"peers that choose nobody": {
			policies: []string{`{podSelector: {matchLabels: {role: db}}, ingress: [{from: [{podSelector: {matchLabels: {role: nobody}}}]}]}`},
			no:       []try{{from: mine, to: db, port: 1}, {from: other, to: db, port: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := Compile(state(t, tc.policies...))
			require.NoError(t, err)
			for want, tries := range map[bool][]try{true: tc.yes, false: tc.no} {
				for _, y := range tries {
					if y.protocol == "" {
						y.protocol = corev1.ProtocolTCP
					}
					assert.Equal(t, want, rules.passes(y.from, y.to, y.protocol, y.port), "%s to %s, %s %d", y.from, y.to, y.protocol, y.port)
				}
			}
		})
	}
}

func TestPodsThatTheSamePoliciesSelectShareAChain(t *testing.T) {
	t.Parallel()
	rules, err := Compile(state(t, `{podSelector: {}}`, `{podSelector: {matchLabels: {role: db}}, ingress: [{}]}`))
	require.NoError(t, err)
	assert.Len(t, rules.Chains, 2)
	assert.Same(t, rules.Ingress[netip.MustParseAddr(other)], rules.Ingress[netip.MustParseAddr(frontend)])
	assert.NotSame(t, rules.Ingress[netip.MustParseAddr(other)], rules.Ingress[netip.MustParseAddr(db)])
	assert.Empty(t, rules.Egress)
}

func TestThePodsOfEveryContainerHavePorts(t *testing.T) {
	t.Parallel()
	ports := func(p corev1.ContainerPort) []corev1.Container {
		return []corev1.Container{{Ports: []corev1.ContainerPort{p}}}
	}
	p := PodOf(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a", Labels: map[string]string{"role": "db"}},
		Spec:       corev1.PodSpec{InitContainers: ports(port("sidecar", 1, "")), Containers: ports(port("main", 2, ""))},
	}, netip.MustParseAddr(db))
	assert.Equal(t, Pod{Namespace: "default", Name: "a", Labels: map[string]string{"role": "db"}, Address: netip.MustParseAddr(db), Ports: []corev1.ContainerPort{port("sidecar", 1, ""), port("main", 2, "")}}, p)
}

func TestWhatNoSelectorCanBeIsSaidWithThePolicy(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"pods":       `{podSelector: {matchExpressions: [{key: a, operator: Near}]}}`,
		"peers":      `{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Near}]}}]}]}`,
		"namespaces": `{podSelector: {}, egress: [{to: [{namespaceSelector: {matchExpressions: [{key: a, operator: Near}]}}]}]}`,
		"block":      `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: here}}]}]}`,
		"except":     `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [here]}}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile(state(t, text))
			assert.ErrorContains(t, err, "NetworkPolicy default/a: ")
		})
	}
}
