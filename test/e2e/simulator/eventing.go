package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// eventing does what Kyma's eventing controller does: it brings events from JetStream to the sinks of Subscriptions, and
// marks those as ready that it knows.
type eventing struct {
	js            jetstream.JetStream
	subscriptions dynamic.NamespaceableResourceInterface
	client        *http.Client

	mu    sync.Mutex
	known map[string]jetstream.ConsumeContext // by UID and generation
}

func newEventing(ctx context.Context, o options) (public, control http.Handler, err error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	connection, err := nats.Connect(o.nats, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(connection)
	if err != nil {
		return nil, nil, err
	}
	e := &eventing{
		js: js, subscriptions: client.Resource(schema.GroupVersionResource{Group: "eventing.kyma-project.io", Version: "v1alpha2", Resource: "subscriptions"}),
		client: &http.Client{Timeout: 10 * time.Second}, known: map[string]jetstream.ConsumeContext{},
	}
	go func() {
		for ctx.Err() == nil {
			if err := e.reconcile(ctx); err != nil {
				slog.Warn("subscriptions", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return http.NotFoundHandler(), http.NotFoundHandler(), nil
}

// reconcile makes a consumer for each Subscription, and ends those of Subscriptions that are gone or changed.
func (e *eventing) reconcile(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list, err := e.subscriptions.List(bounded, metav1.ListOptions{})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	present := map[string]bool{}
	var failed []error
	for i := range list.Items {
		s := &list.Items[i]
		key := fmt.Sprintf("%s-%d", s.GetUID(), s.GetGeneration())
		present[key] = true
		if e.known[key] == nil {
			failed = append(failed, e.subscribe(bounded, s, key))
		}
	}
	for key, consuming := range e.known {
		if !present[key] {
			consuming.Stop()
			delete(e.known, key)
			failed = append(failed, e.js.DeleteConsumer(bounded, stream, key))
		}
	}
	return errors.Join(failed...)
}

func (e *eventing) subscribe(ctx context.Context, s *unstructured.Unstructured, key string) error {
	sink, _, _ := unstructured.NestedString(s.Object, "spec", "sink")
	source, _, _ := unstructured.NestedString(s.Object, "spec", "source")
	types, _, _ := unstructured.NestedStringSlice(s.Object, "spec", "types")
	var subjects []string
	for _, name := range types {
		subjects = append(subjects, prefix+"."+source+"."+name)
	}
	consumer, err := e.js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: key, FilterSubjects: subjects, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: 10,
	})
	if err != nil {
		return err
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		if err := e.deliver(m.Data(), sink); err != nil {
			slog.Warn("an event is repeated", "sink", sink, "error", err)
			_ = m.NakWithDelay(500 * time.Millisecond)
			return
		}
		_ = m.Ack()
	})
	if err != nil {
		return err
	}
	e.known[key] = consuming
	status := map[string]any{"ready": true, "conditions": []any{map[string]any{"type": "Subscription active", "status": "True"}}}
	if err := unstructured.SetNestedMap(s.Object, status, "status"); err != nil {
		return err
	}
	_, err = e.subscriptions.Namespace(s.GetNamespace()).UpdateStatus(ctx, s, metav1.UpdateOptions{})
	return err
}

// deliver posts an event to a sink, under the type that its publisher gave.
func (e *eventing) deliver(stored []byte, sink string) error {
	var event cloudevents.Event
	if err := json.Unmarshal(stored, &event); err != nil {
		return err
	}
	if original, ok := event.Extensions()["originaltype"].(string); ok {
		event.SetType(original)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, sink, http.NoBody)
	if err != nil {
		return err
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&event), request); err != nil {
		return err
	}
	answer, err := e.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", strings.TrimSpace(sink), answer.Status)
	}
	return nil
}
