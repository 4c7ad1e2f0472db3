package policy

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var testNode = Node{Address: netip.MustParseAddr(node), Pods: netip.MustParsePrefix("10.88.0.0/16"), Bridge: "cni0"}

func TestTheTextForNft(t *testing.T) {
	t.Parallel()
	s := state(t, `
podSelector: {matchLabels: {role: db}}
policyTypes: [Ingress, Egress]
ingress:
  - from:
      - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/25, 172.17.1.0/24]}
      - podSelector: {matchLabels: {role: frontend}}
    ports: [{port: 6379}, {port: 80, endPort: 90}, {port: 85, endPort: 95}, {protocol: SCTP}, {port: metrics}]
egress:
  - to: [{namespaceSelector: {}}]`, `{podSelector: {matchLabels: {role: db}}, egress: [{}]}`)
	s.Pods = s.Pods[:3]
	rules, err := Compile(s)
	require.NoError(t, err)
	assert.Equal(t, `table inet network-policies
delete table inet network-policies
table inet network-policies {
	set known { type ipv4_addr; elements = { 10.88.0.1, 10.88.0.10, 10.88.0.11, 10.88.0.12 }; }
	set itself { type ipv4_addr . ipv4_addr; elements = { 10.88.0.10 . 10.88.0.10, 10.88.0.11 . 10.88.0.11, 10.88.0.12 . 10.88.0.12 }; }
	chain ingress-1 {
		ip daddr { 10.88.0.10 } ip saddr 172.17.0.0/16 ip saddr != { 172.17.1.0/24 } tcp dport { 9121 } return comment "default/a"
		ip saddr 172.17.0.0/16 ip saddr != { 172.17.1.0/24 } tcp dport { 80-95, 6379 } return comment "default/a"
		ip saddr 172.17.0.0/16 ip saddr != { 172.17.1.0/24 } meta l4proto sctp return comment "default/a"
		ip daddr { 10.88.0.10 } ip saddr { 10.88.0.11 } tcp dport { 9121 } return comment "default/a"
		ip saddr { 10.88.0.11 } tcp dport { 80-95, 6379 } return comment "default/a"
		ip saddr { 10.88.0.11 } meta l4proto sctp return comment "default/a"
		reject with icmpx type admin-prohibited
	}
	chain egress-1 {
		ip daddr { 10.88.0.10, 10.88.0.11, 10.88.0.12 } return comment "default/a"
		return comment "default/b"
		reject with icmpx type admin-prohibited
	}
	map ingress { type ipv4_addr : verdict; elements = { 10.88.0.10 : jump ingress-1 }; }
	map egress { type ipv4_addr : verdict; elements = { 10.88.0.10 : jump egress-1 }; }
	chain forward {
		type filter hook forward priority filter; policy accept;
		meta nfproto ipv6 iifname "cni0" drop
		ct state established,related accept
		ip saddr 10.88.0.0/16 ip saddr != @known drop
		ip daddr 10.88.0.0/16 ip daddr != @known drop
		ip saddr . ip daddr @itself accept
		ip saddr vmap @egress
		ip daddr vmap @ingress
	}
	chain input {
		type filter hook input priority filter; policy accept;
		meta nfproto ipv6 iifname "cni0" drop
		ct state established,related accept
		ip saddr 10.88.0.0/16 ip saddr != @known drop
		ip saddr vmap @egress
	}
}
`, rules.Text(testNode))
}

func TestACoupleOfObjectsHasOneText(t *testing.T) {
	t.Parallel()
	s := state(t, `{podSelector: {}}`, `{podSelector: {matchLabels: {role: db}}, egress: [{ports: [{port: metrics}]}]}`, `{podSelector: {}, ingress: [{ports: [{port: metrics}]}]}`)
	rules, err := Compile(s)
	require.NoError(t, err)
	want := rules.Text(testNode)
	for range 20 {
		rand.Shuffle(len(s.Pods), func(i, j int) { s.Pods[i], s.Pods[j] = s.Pods[j], s.Pods[i] })
		rand.Shuffle(len(s.Policies), func(i, j int) { s.Policies[i], s.Policies[j] = s.Policies[j], s.Policies[i] })
		rules, err := Compile(s)
		require.NoError(t, err)
		require.Equal(t, want, rules.Text(testNode))
	}
}

func TestWithoutPodsThereIsStillATable(t *testing.T) {
	t.Parallel()
	rules, err := Compile(State{})
	require.NoError(t, err)
	text := rules.Text(testNode)
	assert.Contains(t, text, "set itself { type ipv4_addr . ipv4_addr; }\n", "nft takes no empty list")
	assert.Contains(t, text, "map ingress { type ipv4_addr : verdict; }\n")
}
