// Package enforce keeps a node's firewall at what the cluster's NetworkPolicies say. It watches the API server, and no
// container of a pod starts before the rules know the pod: the network plug-in waits until then (Plugin).
package enforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/kyma-connectors/kyma-connectors/test/cluster/policy"
)

// Enforcer is for one node. Apply replaces the rules of the firewall, at once or not at all.
type Enforcer struct {
	Client kubernetes.Interface
	Node   policy.Node
	Socket string // where Plugin asks
	Apply  func(ctx context.Context, ruleset string) error
	Log    *slog.Logger
}

// retry is the time between attempts to apply what the firewall did not take.
const retry = time.Second

// Run enforces until the context ends. When it ends, the rules stay: a pod that is not known then is let nowhere.
func (e Enforcer) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	objects, err := e.watch(ctx, changed)
	if err != nil {
		return err
	}
	if err := os.Remove(e.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", e.Socket)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	requests := make(chan request)
	go e.serve(ctx, listener, requests)

	told := map[string]sandbox{} // by container id
	applied := ""
	var waiting []request
	for {
		state, known := objects.state(told)
		rules, err := policy.Compile(state)
		if text := rules.Text(e.Node); err == nil && text != applied {
			if err = e.Apply(ctx, text); err == nil {
				applied = text
				e.Log.Info("applied", "policies", len(state.Policies), "pods", len(state.Pods))
			}
		}
		if err != nil {
			e.Log.Error("the rules stay as they are", "error", err)
			time.AfterFunc(retry, func() { notify(changed) })
		} else {
			waiting = slices.DeleteFunc(waiting, func(r request) bool {
				if known[r.sandbox.Container] {
					close(r.done)
				}
				return known[r.sandbox.Container]
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case r := <-requests:
			// Whoever had the address before, or waited with this container, has gone.
			maps.DeleteFunc(told, func(id string, s sandbox) bool {
				return id == r.sandbox.Container || s.Address == r.sandbox.Address
			})
			waiting = slices.DeleteFunc(waiting, func(w request) bool { return w.sandbox.Container == r.sandbox.Container })
			if r.sandbox.Remove {
				close(r.done)
				continue
			}
			told[r.sandbox.Container] = r.sandbox
			waiting = append(waiting, r)
		}
	}
}

// notify says that something changed, unless that was said already.
func notify(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// objects are what the API server says, as of now.
type objects struct {
	informers.SharedInformerFactory
}

func (e Enforcer) watch(ctx context.Context, changed chan<- struct{}) (objects, error) {
	o := objects{informers.NewSharedInformerFactory(e.Client, 0)}
	say := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { notify(changed) }, UpdateFunc: func(any, any) { notify(changed) }, DeleteFunc: func(any) { notify(changed) },
	}
	for _, informer := range []cache.SharedIndexInformer{o.Core().V1().Pods().Informer(), o.Core().V1().Namespaces().Informer(), o.Networking().V1().NetworkPolicies().Informer()} {
		if _, err := informer.AddEventHandler(say); err != nil {
			return objects{}, err
		}
	}
	o.Start(ctx.Done())
	for kind, synced := range o.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return objects{}, fmt.Errorf("watching %s: %w", kind, context.Cause(ctx))
		}
	}
	return o, nil
}

// state is what rules are made of, and which containers' pods are in it. An address is that of the pod that the network
// plug-in gave it to last; of what it did not tell, the pod's status knows. Pods that ended have none.
func (o objects) state(told map[string]sandbox) (s policy.State, known map[string]bool) {
	s.Policies, _ = o.Networking().V1().NetworkPolicies().Lister().List(labels.Everything()) // from memory
	s.Namespaces, _ = o.Core().V1().Namespaces().Lister().List(labels.Everything())
	pods, _ := o.Core().V1().Pods().Lister().List(labels.Everything())
	known = map[string]bool{}
	given := map[netip.Addr]bool{}
	byName := map[string]*corev1.Pod{}
	for _, p := range pods {
		byName[p.Namespace+"/"+p.Name] = p
	}
	for _, id := range slices.Sorted(maps.Keys(told)) {
		t := told[id]
		given[t.Address] = true
		if p := byName[t.Namespace+"/"+t.Name]; p != nil && (t.UID == "" || string(p.UID) == t.UID) {
			s.Pods = append(s.Pods, policy.PodOf(p, t.Address))
			known[id] = true
		}
	}
	for _, p := range pods {
		address, err := netip.ParseAddr(p.Status.PodIP)
		if err != nil || !address.Is4() || given[address] || p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		given[address] = true
		s.Pods = append(s.Pods, policy.PodOf(p, address))
	}
	return s, known
}

// request is one of the network plug-in: done is closed when the rules know of it.
type request struct {
	sandbox sandbox
	done    chan struct{}
}

// sandbox is the network of a pod, as the network plug-in knows it.
type sandbox struct {
	Container, Namespace, Name, UID string
	Address                         netip.Addr
	Remove                          bool
}

// serve answers each connection, which carries one sandbox, when the rules know it.
func (e Enforcer) serve(ctx context.Context, listener net.Listener, requests chan<- request) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := request{done: make(chan struct{})}
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if err := json.NewDecoder(conn).Decode(&r.sandbox); err != nil {
				e.Log.Error("the network plug-in's request cannot be read", "error", err)
				return
			}
			select {
			case requests <- r:
			case <-ctx.Done():
				return
			}
			select {
			case <-r.done:
				_, _ = conn.Write([]byte("ok\n"))
			case <-time.After(patience): // the plug-in has given up
			case <-ctx.Done():
			}
		}()
	}
}

// Nft applies rulesets with the program nft.
func Nft(program string) func(context.Context, string) error {
	return func(ctx context.Context, ruleset string) error {
		cmd := exec.CommandContext(ctx, program, "-f", "-")
		cmd.Stdin = strings.NewReader(ruleset)
		if out, err := cmd.CombinedOutput(); err != nil {
			first, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
			return fmt.Errorf("nft: %w: %s", err, first)
		}
		return nil
	}
}
