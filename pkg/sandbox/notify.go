package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/described"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// notify lets the simulated system send events by itself. Where the registration keeps webhooks at the
// system, that shows that they are right; else the system signs in as the installation tells it to, which shows
// that the instructions are right.
func (t *trial) notify(ctx context.Context) (string, error) {
	notifier, ok := t.sandbox.system.(simulator.Notifier)
	switch {
	case !ok:
		return "the simulator sends none", nil
	case len(t.status.Events) == 0:
		return "there are no event types", nil
	case len(notifier.Types()) == 0:
		return "the simulator sends none: no sample can be sent as a new delivery", nil
	case t.subscribes():
		if err := t.askForEvents(ctx); err != nil {
			return "", err
		}
		if err := t.fireAll(ctx, notifier, notifier.Types()); err != nil {
			return "", err
		}
	default:
		for i := range t.Definition.Deliveries {
			if err := t.notifyDelivery(ctx, notifier, &t.Definition.Deliveries[i]); err != nil {
				return "", err
			}
		}
	}
	n := t.report.Notifications
	return fmt.Sprintf("%d sent, %d delivered", n.Sent, n.Delivered), nil
}

// subscribes says whether the registration keeps webhooks at the system.
func (t *trial) subscribes() bool {
	return slices.ContainsFunc(t.Definition.Webhooks, func(w connector.Webhooks) bool {
		enabled, err := w.Enabled.Bool(t.own.Input(), true)
		return enabled && err == nil
	})
}

// connectSystem lets a system at which the registration keeps webhooks send: the first events may come when a webhook
// is made.
func (t *trial) connectSystem() error {
	if notifier, ok := t.sandbox.system.(simulator.Notifier); ok && t.subscribes() {
		return notifier.Connect(simulator.Consumer{Client: t.client, Renew: t.renew})
	}
	return nil
}

// askForEvents registers once more where webhooks follow the cluster's Subscriptions, which are there only now.
func (t *trial) askForEvents(ctx context.Context) error {
	dynamic := slices.ContainsFunc(t.Definition.Webhooks, func(w connector.Webhooks) bool {
		mode, err := w.Mode.Text(t.own.Input())
		return err == nil && mode == connector.ModeDynamic
	})
	jobs := t.registrations()
	if !dynamic || len(jobs) == 0 {
		return nil
	}
	return t.sandbox.runJob(ctx, jobs[len(jobs)-1])
}

// notifyDelivery sends to a delivery that a person enters at the system, in every way that the system may be told
// to sign in.
func (t *trial) notifyDelivery(ctx context.Context, notifier simulator.Notifier, delivery *connector.Delivery) error {
	if system, ok := notifier.(*described.System); ok {
		return t.notifyRecorded(ctx, system, delivery)
	}
	if delivery.MQTT != nil && delivery.Token != nil {
		return t.notifyByMessages(ctx, notifier, delivery)
	}
	if delivery.HTTP == nil {
		return nil
	}
	base, err := t.sandbox.network.entrance(http.MethodPost, delivery.HTTP.Path)
	if err != nil {
		return err
	}
	for _, scheme := range delivery.Verify.Schemes() {
		consumer := simulator.Consumer{Endpoint: base + delivery.HTTP.Path, Client: t.client}
		known, err := t.signIn(scheme, &consumer)
		switch {
		case err != nil:
			return err
		case !known:
			continue
		}
		if err := t.toldToEnter(base, delivery); err != nil {
			return err
		}
		types := notifier.Types()
		for _, legacy := range []bool{false, true} {
			consumer.Legacy = legacy
			if err := notifier.Connect(consumer); err != nil {
				return err
			}
			if err := t.fireAll(ctx, notifier, types); err != nil {
				return err
			}
			types = types[:1] // one shows that the older format, where there is one, is understood
		}
	}
	return nil
}

// toldToEnter checks that the instructions name the delivery's address. Of a short host nobody but the cluster knows
// the domain, so that they cannot name the whole address.
func (t *trial) toldToEnter(base string, delivery *connector.Delivery) error {
	if fullHost(base) && len(t.status.Manual) > 0 && !t.instructed(base+delivery.HTTP.Path) {
		return fmt.Errorf("the registration's report does not tell to enter the endpoint %s", base+delivery.HTTP.Path)
	}
	return nil
}

// signIn tells the consumer how to prove the sender; known is false for schemes that need more than an address.
func (t *trial) signIn(scheme connector.Verify, consumer *simulator.Consumer) (known bool, err error) {
	in := t.own.Input()
	switch {
	case scheme.Basic != nil:
		if consumer.User, err = scheme.Basic.Username.Text(in); err != nil {
			return false, err
		}
		consumer.Password, err = scheme.Basic.Password.Text(in)
	case scheme.PathToken != nil:
		token, problem := scheme.PathToken.Tokens[0].Text(in)
		consumer.Endpoint, err = strings.TrimSuffix(consumer.Endpoint, "/")+"/"+url.PathEscape(token), problem
	default:
		return false, nil
	}
	return err == nil, err
}

// errUnwanted says that the system has nobody to tell of something.
var errUnwanted = errors.New("nobody asked the system for it")

// fireAll lets something of each type happen in the system, one after the other. What nobody asked for, because the
// parameters say so, need not arrive; but something has to.
func (t *trial) fireAll(ctx context.Context, notifier simulator.Notifier, types []string) error {
	var errs []error
	unwanted := 0
	for _, name := range types {
		switch err := t.fire(ctx, notifier, name); {
		case errors.Is(err, errUnwanted):
			unwanted++
		default:
			errs = append(errs, err)
		}
	}
	if unwanted == len(types) {
		errs = append(errs, errUnwanted)
	}
	return errors.Join(errs...)
}

// fire waits until what the system sends is accepted, and the events made of it are where a Subscription wants
// them. How the system names a type, and what becomes of its id, is the definition's affair.
func (t *trial) fire(ctx context.Context, notifier simulator.Notifier, name string) error {
	known, published := len(notifier.Monitor()), len(t.sandbox.kyma.Events())
	if err := notifier.Fire(ctx, simulator.Notification{Type: name}); err != nil {
		return fmt.Errorf("the simulated system could not deliver %s: %w", name, err)
	}
	if len(notifier.Monitor()) == known {
		return fmt.Errorf("event %s of the simulated system: %w", name, errUnwanted)
	}
	t.report.Notifications.Sent++
	problem := ""
	err := t.wait(ctx, func() bool {
		problem = undelivered(notifier.Monitor()[known:])
		if problem == "" {
			problem = t.missing(t.sandbox.kyma.Events()[published:])
		}
		return problem == ""
	})
	if err != nil {
		return fmt.Errorf("event %s of the simulated system: %s; %w", name, problem, err)
	}
	t.report.Notifications.Delivered++
	return nil
}

// undelivered says what is wrong with what the system sent, or "".
func undelivered(sent []simulator.Outbound) string {
	for _, s := range sent {
		if s.State != simulator.Delivered {
			return fmt.Sprintf("its delivery is %s: status %d %s", s.State, s.Status, s.Error)
		}
	}
	return ""
}

// missing says which of the published events did not reach a subscriber, or "".
func (t *trial) missing(published []simulator.Published) string {
	if len(published) == 0 {
		return "it was delivered, but did not arrive in Kyma"
	}
	for _, p := range published {
		switch {
		case p.Dropped():
			return fmt.Sprintf("it arrived in Kyma as %s, which the event catalog does not list", p.Event.Type)
		case !t.workload.got(p.Event.ID):
			return fmt.Sprintf("it arrived in Kyma as %s, but not at its subscriber", p.Event.Type)
		}
	}
	return ""
}

// silent checks that a system at which the registration kept webhooks sends nothing any more.
func (t *trial) silent(ctx context.Context) error {
	notifier, ok := t.sandbox.system.(simulator.Notifier)
	if !ok || !t.subscribes() || t.report.Notifications.Delivered == 0 {
		return nil
	}
	known := len(notifier.Monitor())
	// A system that has nobody to send to may say so.
	_ = notifier.Fire(ctx, simulator.Notification{Type: notifier.Types()[0]})
	if len(notifier.Monitor()) > known {
		return errors.New("the system still sends events: a webhook is left there")
	}
	return nil
}

// fullHost says whether an address is one of the outside world: short hosts get their domain from the cluster.
func fullHost(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && strings.Contains(u.Hostname(), ".")
}

// instructed says whether the report's manual steps name the endpoint.
func (t *trial) instructed(endpoint string) bool {
	for _, m := range t.status.Manual {
		for _, step := range m.Steps {
			if strings.Contains(step, endpoint) {
				return true
			}
		}
	}
	return false
}
