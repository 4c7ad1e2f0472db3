// Package policy turns the NetworkPolicies of a cluster into rules for one node's firewall. It is pure: what the API
// server says goes in, rules come out, as values and as text for nft.
//
// The rules are those of networking.k8s.io/v1: a pod that no policy selects may talk to everybody and everybody to it;
// one that policies select may do what at least one of them allows, for each direction by itself. What was let in or
// out may be answered. The node reaches its pods always, and a pod itself.
package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// State is what decides on who may talk to whom.
type State struct {
	Policies   []*networkingv1.NetworkPolicy
	Namespaces []*corev1.Namespace
	Pods       []Pod
}

// Pod is a pod with an address of its own. Pods in the node's network are part of the node, and no policy is about them.
type Pod struct {
	Namespace, Name string
	Labels          map[string]string
	Address         netip.Addr // version 4
	Ports           []corev1.ContainerPort
}

// PodOf takes from a pod what rules are made of. Its address is not always known from itself.
func PodOf(p *corev1.Pod, address netip.Addr) Pod {
	pod := Pod{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, Address: address}
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range containers {
			pod.Ports = append(pod.Ports, c.Ports...)
		}
	}
	return pod
}

// Rules are what a firewall needs to know.
type Rules struct {
	Pods            []netip.Addr          // all of them
	Ingress, Egress map[netip.Addr]*Chain // of pods that a policy selects
	Chains          []*Chain              // all of them; pods that the same policies select share one
}

// Chain is what some policies allow together, in one direction. What no rule allows is forbidden.
type Chain struct {
	Name  string
	Allow []Allow
}

// Allow is one way to be allowed.
type Allow struct {
	Policy   string         // namespace/name of the policy that says it
	Peers    []netip.Addr   // one of these pods; nil where Block or nothing says who
	Block    netip.Prefix   // or an address in here
	Except   []netip.Prefix // and in none of these
	Own      []netip.Addr   // only for these of the selected pods: those with a port of the name; nil for all
	Protocol corev1.Protocol
	Ports    []Range // of Protocol; nil for all
}

// Range is from one port to another, both included.
type Range struct{ First, Last int32 }

// Compile makes rules of what the cluster says. The order of what goes in does not matter.
func Compile(s State) (Rules, error) {
	policies := slices.SortedFunc(slices.Values(s.Policies), func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	c := compiler{namespaces: map[string]labels.Set{}, pods: slices.Clone(s.Pods)}
	slices.SortFunc(c.pods, func(a, b Pod) int { return a.Address.Compare(b.Address) })
	for _, n := range s.Namespaces {
		c.namespaces[n.Name] = n.Labels
	}
	selected := make([][]Pod, len(policies))
	for i, p := range policies {
		var err error
		if selected[i], err = c.matching(networkingv1.NetworkPolicyPeer{PodSelector: &p.Spec.PodSelector}, p.Namespace); err != nil {
			return Rules{}, fmt.Errorf("NetworkPolicy %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	rules := Rules{}
	for _, p := range c.pods {
		rules.Pods = append(rules.Pods, p.Address)
	}
	var err error
	if rules.Ingress, err = c.direction(&rules, policies, selected, networkingv1.PolicyTypeIngress); err != nil {
		return Rules{}, err
	}
	rules.Egress, err = c.direction(&rules, policies, selected, networkingv1.PolicyTypeEgress)
	return rules, err
}

type compiler struct {
	namespaces map[string]labels.Set
	pods       []Pod // by address
}

// direction makes a chain for each combination of policies that selects pods.
func (c compiler) direction(rules *Rules, policies []*networkingv1.NetworkPolicy, selected [][]Pod, way networkingv1.PolicyType) (map[netip.Addr]*Chain, error) {
	combination := map[netip.Addr][]int{}
	for i, p := range policies {
		if !slices.Contains(types(p.Spec), way) {
			continue
		}
		for _, pod := range selected[i] {
			combination[pod.Address] = append(combination[pod.Address], i)
		}
	}
	groups := map[string][]Pod{}
	var order []string
	for _, pod := range c.pods {
		if of := combination[pod.Address]; len(of) > 0 {
			key := fmt.Sprint(of)
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], pod)
		}
	}
	chains := map[netip.Addr]*Chain{}
	for n, key := range order {
		chain := &Chain{Name: fmt.Sprintf("%s-%d", strings.ToLower(string(way)), n+1)}
		for _, i := range combination[groups[key][0].Address] {
			allow, err := c.allows(policies[i], way, groups[key])
			if err != nil {
				return nil, fmt.Errorf("NetworkPolicy %s/%s: %w", policies[i].Namespace, policies[i].Name, err)
			}
			chain.Allow = append(chain.Allow, allow...)
		}
		rules.Chains = append(rules.Chains, chain)
		for _, pod := range groups[key] {
			chains[pod.Address] = chain
		}
	}
	return chains, nil
}

// types are the directions that a policy is about. One that names none is about what comes in, and about what goes
// out if it has rules for that.
func types(spec networkingv1.NetworkPolicySpec) []networkingv1.PolicyType {
	switch {
	case len(spec.PolicyTypes) > 0:
		return spec.PolicyTypes
	case len(spec.Egress) > 0:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	default:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	}
}

// allows is what a policy allows to pods that it selects.
func (c compiler) allows(p *networkingv1.NetworkPolicy, way networkingv1.PolicyType, own []Pod) (list []Allow, err error) {
	add := func(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) error {
		who, err := c.peers(peers, p.Namespace)
		if err != nil {
			return err
		}
		for _, w := range who {
			for _, one := range c.ports(w, ports, way, own) {
				one.Policy = p.Namespace + "/" + p.Name
				list = append(list, one)
			}
		}
		return nil
	}
	if way == networkingv1.PolicyTypeIngress {
		for _, rule := range p.Spec.Ingress {
			if err := add(rule.From, rule.Ports); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	for _, rule := range p.Spec.Egress {
		if err := add(rule.To, rule.Ports); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// peers are those that a rule names, pods in one Allow and blocks in one each; one without any restriction if it names none.
func (c compiler) peers(peers []networkingv1.NetworkPolicyPeer, namespace string) ([]Allow, error) {
	if len(peers) == 0 {
		return []Allow{{}}, nil
	}
	var pods []netip.Addr
	var list []Allow
	for _, peer := range peers {
		if peer.IPBlock != nil {
			block, err := netip.ParsePrefix(peer.IPBlock.CIDR)
			if err != nil {
				return nil, err
			}
			one := Allow{Block: block.Masked()}
			for _, e := range peer.IPBlock.Except {
				except, err := netip.ParsePrefix(e)
				if err != nil {
					return nil, err
				}
				one.Except = append(one.Except, except.Masked())
			}
			if block.Addr().Is4() { // pods have addresses of version 4 only
				list = append(list, one)
			}
			continue
		}
		found, err := c.matching(peer, namespace)
		if err != nil {
			return nil, err
		}
		pods = append(pods, addresses(found)...)
	}
	if len(pods) > 0 {
		slices.SortFunc(pods, netip.Addr.Compare)
		list = append(list, Allow{Peers: slices.Compact(pods)})
	}
	return list, nil
}

// matching are the pods that a peer's selectors choose: in the policy's namespace unless there is a selector for namespaces.
func (c compiler) matching(peer networkingv1.NetworkPolicyPeer, namespace string) ([]Pod, error) {
	pods, namespaces := labels.Everything(), labels.Nothing()
	var err error
	if peer.PodSelector != nil {
		if pods, err = metav1.LabelSelectorAsSelector(peer.PodSelector); err != nil {
			return nil, err
		}
	}
	if peer.NamespaceSelector != nil {
		if namespaces, err = metav1.LabelSelectorAsSelector(peer.NamespaceSelector); err != nil {
			return nil, err
		}
	}
	var found []Pod
	for _, p := range c.pods {
		in := p.Namespace == namespace
		if peer.NamespaceSelector != nil {
			set, known := c.namespaces[p.Namespace]
			in = known && namespaces.Matches(set)
		}
		if in && pods.Matches(labels.Set(p.Labels)) {
			found = append(found, p)
		}
	}
	return found, nil
}

// ports narrows who is allowed to the ports of a rule: numbers of one protocol together; names become what the pod
// that is called has by that name.
func (c compiler) ports(who Allow, ports []networkingv1.NetworkPolicyPort, way networkingv1.PolicyType, own []Pod) (list []Allow) {
	if len(ports) == 0 {
		return []Allow{who}
	}
	numbers := map[corev1.Protocol][]Range{}
	all := map[corev1.Protocol]bool{}
	for _, p := range ports {
		protocol := corev1.ProtocolTCP
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		switch {
		case p.Port == nil:
			all[protocol] = true
		case p.Port.Type == intstr.String:
			list = append(list, c.named(who, protocol, p.Port.StrVal, way, own)...)
		default:
			r := Range{First: p.Port.IntVal, Last: p.Port.IntVal}
			if p.EndPort != nil {
				r.Last = *p.EndPort
			}
			numbers[protocol] = append(numbers[protocol], r)
		}
	}
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		one := who
		one.Protocol, one.Ports = protocol, merge(numbers[protocol])
		if all[protocol] {
			one.Ports = nil
		}
		if all[protocol] || len(one.Ports) > 0 {
			list = append(list, one)
		}
	}
	return list
}

// merge sorts ranges and joins those that overlap.
func merge(ranges []Range) (merged []Range) {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	for _, r := range ranges {
		if last := len(merged) - 1; last >= 0 && r.First <= merged[last].Last {
			merged[last].Last = max(merged[last].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// named is an Allow for each number that a name stands for.
func (c compiler) named(who Allow, protocol corev1.Protocol, name string, way networkingv1.PolicyType, own []Pod) (list []Allow) {
	called := own
	if way == networkingv1.PolicyTypeEgress {
		called = c.pods
	}
	numbers := map[int32][]netip.Addr{}
	for _, pod := range called {
		if way == networkingv1.PolicyTypeEgress && !who.reaches(pod.Address) {
			continue
		}
		for _, port := range pod.Ports {
			if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol && !slices.Contains(numbers[port.ContainerPort], pod.Address) {
				numbers[port.ContainerPort] = append(numbers[port.ContainerPort], pod.Address)
			}
		}
	}
	for number, pods := range numbers {
		one := who
		one.Protocol, one.Ports = protocol, []Range{{number, number}}
		if way == networkingv1.PolicyTypeEgress {
			one.Peers, one.Block, one.Except = pods, netip.Prefix{}, nil
		} else {
			one.Own = pods
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Allow) int { return cmp.Compare(a.Ports[0].First, b.Ports[0].First) })
	return list
}

// reaches tells whether an address is one of the peers.
func (a Allow) reaches(address netip.Addr) bool {
	if a.Peers != nil {
		return slices.Contains(a.Peers, address)
	}
	if !a.Block.IsValid() {
		return true
	}
	return a.Block.Contains(address) && !slices.ContainsFunc(a.Except, func(p netip.Prefix) bool { return p.Contains(address) })
}

func addresses(pods []Pod) (list []netip.Addr) {
	for _, p := range pods {
		list = append(list, p.Address)
	}
	return list
}
