package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// notify lets the simulated system send events by itself, signing in as it is told to by the
// installation: that shows that the instructions are right.
func (t *trial) notify(ctx context.Context) (string, error) {
	notifier, ok := t.sandbox.system.(simulator.Notifier)
	if !ok {
		return "the simulator sends none", nil
	}
	for i := range t.Definition.Deliveries {
		delivery := &t.Definition.Deliveries[i]
		if delivery.HTTP == nil || delivery.Verify.Basic == nil {
			continue
		}
		for _, legacy := range []bool{false, true} {
			if err := t.notifyOnce(ctx, notifier, delivery, legacy); err != nil {
				return "", err
			}
		}
	}
	n := t.report.Notifications
	return fmt.Sprintf("%d sent, %d delivered", n.Sent, n.Delivered), nil
}

func (t *trial) notifyOnce(ctx context.Context, notifier simulator.Notifier, delivery *connector.Delivery, legacy bool) error {
	if len(t.status.Events) == 0 {
		return nil
	}
	base, err := t.sandbox.network.entrance(http.MethodPost, delivery.HTTP.Path)
	if err != nil {
		return err
	}
	endpoint := base + delivery.HTTP.Path
	// Of a short host nobody but the cluster knows the domain, so the report cannot name the whole address.
	if fullHost(endpoint) && len(t.status.Manual) > 0 && !t.instructed(endpoint) {
		return fmt.Errorf("the registration's report does not tell to enter the endpoint %s", endpoint)
	}
	in := t.own.Input()
	user, err := delivery.Verify.Basic.Username.Text(in)
	if err != nil {
		return err
	}
	password, err := delivery.Verify.Basic.Password.Text(in)
	if err != nil {
		return err
	}
	err = notifier.Connect(simulator.Consumer{Endpoint: endpoint, User: user, Password: password, Client: t.client, Legacy: legacy})
	if err != nil {
		return err
	}
	fullType := t.status.Events[0].Type
	name := fullType[:strings.LastIndexByte(fullType, '.')] // without the version
	known := len(notifier.Monitor())
	if err := notifier.Fire(ctx, simulator.Notification{Type: name}); err != nil {
		return fmt.Errorf("the simulated system could not deliver %s: %w", name, err)
	}
	t.report.Notifications.Sent++
	id := ""
	err = t.wait(ctx, func() bool {
		for _, sent := range notifier.Monitor()[known:] {
			id = sent.ID
			if sent.State == simulator.Delivered && t.workload.got(sent.ID) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("event %s (%s) of the simulated system did not reach its subscriber: %w", id, name, err)
	}
	t.report.Notifications.Delivered++
	return nil
}

// fullHost says whether an address that the cluster serves has a host name with its domain.
func fullHost(endpoint string) bool {
	u, err := url.Parse(endpoint)
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
