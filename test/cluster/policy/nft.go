package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Node is the network that the rules are for.
type Node struct {
	Address netip.Addr   // the node's own, in Pods
	Pods    netip.Prefix // the addresses of pods
	Bridge  string       // the interface that they are behind
}

// Text is the ruleset for `nft -f -`, which replaces an earlier one at once or not at all. Addresses of pods that are not
// known (yet, or any more) reach nobody, and nobody reaches them. What is forbidden is told so by ICMP, but for them.
func (r Rules) Text(n Node) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("table inet network-policies")
	p("delete table inet network-policies")
	p("table inet network-policies {")
	known := slices.SortedFunc(slices.Values(append([]netip.Addr{n.Address}, r.Pods...)), netip.Addr.Compare)
	p("\tset known { type ipv4_addr; elements = { %s }; }", list(slices.Compact(known)))
	itself := []string{}
	for _, address := range r.Pods {
		itself = append(itself, fmt.Sprintf("%[1]s . %[1]s", address))
	}
	p("\tset itself { type ipv4_addr . ipv4_addr;%s }", elements(itself))
	for _, c := range r.Chains {
		way := "saddr"
		own := "daddr"
		if strings.HasPrefix(c.Name, "egress") {
			way, own = own, way
		}
		p("\tchain %s {", c.Name)
		for _, a := range c.Allow {
			p("\t\t%sreturn comment %q", a.match(way, own), comment(a.Policy))
		}
		p("\t\treject with icmpx type admin-prohibited")
		p("\t}")
	}
	p("\tmap ingress { type ipv4_addr : verdict;%s }", elements(jumps(r.Ingress)))
	p("\tmap egress { type ipv4_addr : verdict;%s }", elements(jumps(r.Egress)))
	p("\tchain forward {")
	p("\t\ttype filter hook forward priority filter; policy accept;")
	p("\t\tmeta nfproto ipv6 iifname %q drop", n.Bridge)
	p("\t\tct state established,related accept")
	p("\t\tip saddr %s ip saddr != @known drop", n.Pods.Masked())
	p("\t\tip daddr %s ip daddr != @known drop", n.Pods.Masked())
	p("\t\tip saddr . ip daddr @itself accept")
	p("\t\tip saddr vmap @egress")
	p("\t\tip daddr vmap @ingress")
	p("\t}")
	p("\tchain input {")
	p("\t\ttype filter hook input priority filter; policy accept;")
	p("\t\tmeta nfproto ipv6 iifname %q drop", n.Bridge)
	p("\t\tct state established,related accept")
	p("\t\tip saddr %s ip saddr != @known drop", n.Pods.Masked())
	p("\t\tip saddr vmap @egress")
	p("\t}")
	p("}")
	return b.String()
}

// match is the condition of a rule; empty, or with a space behind it.
func (a Allow) match(peer, own string) string {
	var parts []string
	if a.Own != nil {
		parts = append(parts, fmt.Sprintf("ip %s { %s }", own, list(a.Own)))
	}
	switch {
	case a.Peers != nil:
		parts = append(parts, fmt.Sprintf("ip %s { %s }", peer, list(a.Peers)))
	case a.Block.IsValid():
		parts = append(parts, fmt.Sprintf("ip %s %s", peer, a.Block))
		if len(a.Except) > 0 {
			parts = append(parts, fmt.Sprintf("ip %s != { %s }", peer, list(disjoint(a.Except))))
		}
	}
	protocol := strings.ToLower(string(a.Protocol))
	switch {
	case len(a.Ports) > 0:
		var ports []string
		for _, r := range a.Ports {
			if r.First == r.Last {
				ports = append(ports, fmt.Sprint(r.First))
				continue
			}
			ports = append(ports, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
		parts = append(parts, fmt.Sprintf("%s dport { %s }", protocol, strings.Join(ports, ", ")))
	case protocol != "":
		parts = append(parts, "meta l4proto "+protocol)
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, " ") + " "
}

// disjoint leaves out networks that another one contains: a set takes no address twice.
func disjoint(prefixes []netip.Prefix) (kept []netip.Prefix) {
	sorted := slices.SortedFunc(slices.Values(prefixes), func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	for _, p := range sorted {
		if p.Addr().Is4() && !slices.ContainsFunc(kept, p.Overlaps) {
			kept = append(kept, p)
		}
	}
	return kept
}

func jumps(chains map[netip.Addr]*Chain) (lines []string) {
	for _, address := range slices.SortedFunc(maps.Keys(chains), netip.Addr.Compare) {
		lines = append(lines, fmt.Sprintf("%s : jump %s", address, chains[address].Name))
	}
	return lines
}

func elements(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " elements = { " + strings.Join(list, ", ") + " };"
}

func list[T fmt.Stringer](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
}

// comment is what nft takes as one; names in Kubernetes may be longer.
func comment(text string) string {
	const most = 127
	return text[:min(len(text), most)]
}
