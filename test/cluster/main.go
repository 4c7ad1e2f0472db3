// Command cluster runs a real Kubernetes node on this machine, for tests: etcd, API server, controller
// manager, scheduler, kubelet, kube-proxy, containerd and cluster DNS, without Docker and without an installation.
//
//	cluster up           start it; does nothing if it runs
//	cluster down         stop it and remove everything but the cached programs
//	cluster kubeconfig   print the file to set KUBECONFIG to
//	cluster load FILE…   load image archives
//	cluster logs DIR     copy the logs of components and pods
//	cluster policies     say whether NetworkPolicies are enforced
//	cluster kubectl …    kubectl with that file
//	cluster helm …       helm with that file
//
// Exit code 2: this machine cannot run a node, and no other cluster is named. The programs come from Debian's packages, unpacked without installing them, and from Go modules (components/).
// They are kept in the user's cache directory. Everything runs in namespaces of its own (processes, mounts,
// network), so that stopping the first process ends everything and the machine is as it was before.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/kyma-connectors/kyma-connectors/test/cluster/enforce"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "cluster:", err)
		if errors.Is(err, errNoCluster) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out, progress io.Writer) error {
	if getenv("CNI_COMMAND") != "" { // containerd runs it as a network plug-in
		return enforce.Plugin(ctx, getenv, os.Stdin, out)
	}
	if len(args) == 0 {
		return errors.New("want a command: up, down, kubeconfig, load, logs, policies, kubectl or helm")
	}
	dir, err := defaultLayout()
	if err != nil {
		return err
	}
	c := &cluster{layout: dir, out: out, progress: progress}
	switch command, args := args[0], args[1:]; command {
	case "up":
		return c.upOrOther(ctx, getenv("KUBECONFIG"))
	case "down":
		return c.down(ctx)
	case "kubeconfig":
		return c.kubeconfig(getenv("KUBECONFIG"))
	case "load":
		return c.load(ctx, args)
	case "logs":
		if len(args) != 1 {
			return errors.New("want one directory to copy the logs to")
		}
		return c.copyLogs(args[0])
	case "policies":
		return c.policies(getenv("KUBECONFIG"))
	case "kubectl", "helm":
		return c.tool(ctx, command, getenv("KUBECONFIG"), args)
	case "node": // the first process inside the namespaces
		return runNode(c.layout)
	case "enforcer": // beside the other components
		return c.layout.enforce(ctx)
	default:
		return fmt.Errorf("unknown command %q: want up, down, kubeconfig, load, logs, policies, kubectl or helm", command)
	}
}
