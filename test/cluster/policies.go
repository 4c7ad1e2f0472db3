package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kyma-connectors/kyma-connectors/test/cluster/enforce"
	"github.com/kyma-connectors/kyma-connectors/test/cluster/policy"
)

const (
	itself         = "/proc/1/exe" // this program, as the node's processes see it
	policyPlugin   = "kyma-connectors-policy"
	policySocket   = "/run/kyma-connectors-policy.sock"
	policiesHold   = "enforced"
	policiesDoNot  = "not enforced: "
	policiesOthers = "unknown: this cluster is not of make cluster-up"
)

// firewall is what the rules are for.
func firewall() policy.Node {
	return policy.Node{Address: netip.MustParseAddr(nodeIP), Pods: netip.MustParsePrefix(podNet), Bridge: bridge}
}

// preparePolicies tries whether the node's kernel takes the rules of NetworkPolicies, which no pod can do without from then
// on, and notes why not. Then it writes the configuration of the pods' network.
func (l layout) preparePolicies(s settings) (enforced bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	state := policiesHold
	if err := tryRules(ctx, s); err != nil {
		state = policiesDoNot + err.Error()
	}
	if err := os.WriteFile(l.path("policies"), []byte(state+"\n"), 0o600); err != nil {
		return false, err
	}
	enforced = state == policiesHold
	return enforced, l.writeNetwork(enforced)
}

// writeNetwork writes the configuration of the pods' network, whose last plug-in waits for the rules if there are any.
func (l layout) writeNetwork(enforced bool) error {
	data := map[string]any{"Bridge": bridge, "PodNet": podNet, "NodeIP": nodeIP, "Enforced": enforced, "Plugin": policyPlugin, "Socket": policySocket}
	return render("cni.conflist", data, l.path("etc/cni/10-bridge.conflist"))
}

func tryRules(ctx context.Context, s settings) error {
	if bridged, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil || strings.TrimSpace(string(bridged)) != "1" {
		return errors.New("what passes a bridge does not pass this kernel's firewall (br_netfilter)")
	}
	nft, err := lookPath(s, "nft")
	if err != nil {
		return err
	}
	return enforce.Nft(nft)(ctx, policy.Rules{}.Text(firewall()))
}

// enforce runs as long as the node.
func (l layout) enforce(ctx context.Context) error {
	s, err := l.readSettings()
	if err != nil {
		return err
	}
	nft, err := lookPath(s, "nft")
	if err != nil {
		return err
	}
	// The controller manager may list everything that rules are made of.
	config, err := clientcmd.BuildConfigFromFlags("", l.path("etc", "controller-manager.kubeconfig"))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	e := enforce.Enforcer{Client: client, Node: firewall(), Socket: policySocket, Apply: enforce.Nft(nft), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	return e.Run(ctx)
}

// policies is what the node found out.
func (l layout) policies() (string, error) {
	data, err := os.ReadFile(l.path("policies"))
	return strings.TrimSpace(string(data)), err
}

// policies prints whether NetworkPolicies are enforced, as far as that is known.
func (c *cluster) policies(other string) error {
	state := policiesOthers
	_, alive, err := c.layout.running()
	switch {
	case err != nil:
		return err
	case alive:
		if state, err = c.layout.policies(); err != nil {
			return err
		}
	case other == "":
		return errors.New("no cluster: run make cluster-up, or set KUBECONFIG")
	}
	_, err = fmt.Fprintln(c.out, state)
	return err
}
