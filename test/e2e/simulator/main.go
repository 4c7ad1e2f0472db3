// Command simulator serves, inside a cluster, what the connectors meet around them:
//
//	simulator publisher   Kyma's event publisher, with a real JetStream behind it
//	simulator eventing    Kyma's eventing controller: brings events to the sinks of Subscriptions
//	simulator gateway     Kyma's Application Gateway: calls APIs with the credentials that the cluster holds
//	simulator system      an external system, with its API and what sends its events
//	simulator ingress     the cluster's entrance: takes hosts from APIRules and passes requests to their Services
//	simulator load        many systems that send at the same time, and the books of what they sent
//	simulator idle        nothing, for tests of what pods may reach
//
// Each has a second port, for the tests: what arrived, what goes wrong, what happens next, what it can reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "simulator:", err)
		os.Exit(1)
	}
}

// options are the flags of all commands.
type options struct {
	listen, control string
	cert, key       string
	nats            string
	system, params  string
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want a command: publisher, eventing, gateway, system, ingress, load or idle")
	}
	var o options
	flags := flag.NewFlagSet("simulator "+args[0], flag.ContinueOnError)
	flags.StringVar(&o.listen, "listen", ":8080", "address that the cluster uses")
	flags.StringVar(&o.control, "control", ":9000", "address that the tests use")
	flags.StringVar(&o.cert, "cert", "", "certificate file; without one, plain HTTP")
	flags.StringVar(&o.key, "key", "", "its key")
	flags.StringVar(&o.nats, "nats", "", "publisher, eventing, load: URL of the NATS server")
	flags.StringVar(&o.system, "system", "", "system: name of the system")
	flags.StringVar(&o.params, "params", "", "system: JSON file with the connector's parameters")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var public, control http.Handler
	var err error
	switch args[0] {
	case "publisher":
		public, control, err = newPublisher(ctx, o)
	case "eventing":
		public, control, err = newEventing(ctx, o)
	case "gateway":
		public, control, err = newApplicationGateway()
	case "system":
		public, control, err = newSystem(o)
	case "ingress":
		public, control, err = newIngress()
	case "load":
		public, control, err = newLoad(ctx, o)
	case "idle":
		public, control = http.NotFoundHandler(), http.NotFoundHandler()
	default:
		return fmt.Errorf("unknown command %q: want publisher, eventing, gateway, system, ingress, load or idle", args[0])
	}
	if err != nil {
		return err
	}
	return serve(ctx, o, public, withReach(control))
}

func serve(ctx context.Context, o options, public, control http.Handler) error {
	ended := make(chan error, 2)
	servers := []*http.Server{server(o.listen, public), server(o.control, control)}
	go func() {
		if o.cert != "" {
			ended <- servers[0].ListenAndServeTLS(o.cert, o.key)
			return
		}
		ended <- servers[0].ListenAndServe()
	}()
	go func() { ended <- servers[1].ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(servers[0].Shutdown(bounded), servers[1].Shutdown(bounded))
}

func server(address string, h http.Handler) *http.Server {
	return &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
}
