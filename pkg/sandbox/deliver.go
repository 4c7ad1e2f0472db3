package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// sendSamples sends every sample in order, each when the one before it is through.
func (t *trial) sendSamples(ctx context.Context) (string, error) {
	from, err := t.Definition.ResolveParams(t.SampleParams)
	if err != nil {
		return "", fmt.Errorf("%s of the samples: %w", sample.ParamsFile, err)
	}
	first := len(t.sandbox.kyma.Events())
	var errs []error
	for _, s := range t.Samples {
		result := t.sendSample(ctx, s, from)
		t.report.Samples = append(t.report.Samples, result)
		t.report.Events.count(result)
		if !result.OK {
			errs = append(errs, fmt.Errorf("sample %s: %s", result.Name, result.Problem))
		}
	}
	errs = append(errs, t.unexpected(first))
	e := t.report.Events
	return fmt.Sprintf("%d sent, %d accepted, %d events delivered", e.Sent, e.Accepted, e.Delivered), errors.Join(errs...)
}

func (t *trial) sendSample(ctx context.Context, s sample.Sample, from *connector.Params) (result SampleResult) {
	began := time.Now()
	result = SampleResult{Name: s.Name, Expected: s.Golden.Outcome}
	defer func() {
		result.Problem = t.redact(result.Problem)
		result.OK = result.Problem == ""
		result.Seconds = seconds(time.Since(began))
	}()
	request, signed, err := sample.Sign(t.Definition, s.Request, from, t.own, time.Now())
	if err != nil {
		result.Problem = "cannot be signed: " + err.Error()
		return result
	}
	result.Signed = signed
	before := len(t.sandbox.kyma.Events())
	answer, err := t.send(ctx, request)
	if err != nil {
		result.Problem = err.Error()
		return result
	}
	result.Status = answer.Status
	if answer.Status == s.Golden.StatusUnstored {
		s.Golden.Status = answer.Status
	}
	result.Actual = outcome(answer, s.Golden)
	switch {
	case answer.Status != s.Golden.Status || result.Actual != s.Golden.Outcome:
		result.Problem = fmt.Sprintf("the gateway answers %d (%s), want %d (%s): %.300s", answer.Status, result.Actual, s.Golden.Status, s.Golden.Outcome, answer.Body)
		return result
	case answer.Body != "" && !strings.Contains(reasonOf(answer), s.Golden.Reason):
		result.Problem = fmt.Sprintf("the answer does not say %q: %.300s", s.Golden.Reason, answer.Body)
		return result
	}
	for _, want := range s.Golden.Events {
		if err := t.arrives(ctx, before, want); err != nil {
			result.Problem = err.Error()
			return result
		}
		result.Delivered++
	}
	return result
}

// send sends the delivery the way that it takes in.
func (t *trial) send(ctx context.Context, r sample.Request) (sample.Answer, error) {
	if delivery := sample.Delivery(t.Definition, r); delivery != nil && delivery.MQTT != nil {
		endpoint, tokenEndpoint, err := t.messaging(delivery)
		if err != nil {
			return sample.Answer{}, err
		}
		return r.Publish(ctx, t.client, endpoint, tokenEndpoint)
	}
	base, err := t.sandbox.network.entrance(r.Method, r.Path())
	if err != nil {
		return sample.Answer{}, err
	}
	return r.Send(ctx, t.client, base)
}

// arrives waits until the event is published as expected and its subscriber has it.
func (t *trial) arrives(ctx context.Context, before int, want sample.Event) error {
	problem := "it did not arrive in Kyma"
	err := t.wait(ctx, func() bool {
		for _, p := range t.sandbox.kyma.Events()[before:] {
			if !same(p, want) || p.Dropped() {
				continue
			}
			if problem = difference(p, want, t.app); problem != "" {
				return true // it will not get better
			}
			if t.workload.got(p.Event.ID) {
				return true
			}
			problem = "it arrived in Kyma, but not at its subscriber"
		}
		return false
	})
	if problem != "" {
		return fmt.Errorf("event %s (%s): %s", want.ID, want.FullType(), problem)
	}
	return err
}

// wait looks again and again, until what is waited for is there, the time for it is over or ctx ends.
func (t *trial) wait(ctx context.Context, done func() bool) error {
	patience := arrival
	if t.waitedInVain {
		patience = afterFailure
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.waitedInVain = true
			return fmt.Errorf("waited %s in vain", patience)
		case <-ticker.C:
		}
	}
	return nil
}

// unexpected finds events in Kyma that no sample asks for, and those that came more than once.
func (t *trial) unexpected(first int) error {
	var errs []error
	seen := map[string]int{}
	for _, p := range t.sandbox.kyma.Events()[first:] {
		known := false
		for _, s := range t.Samples {
			for _, want := range s.Golden.Events {
				known = known || same(p, want)
			}
		}
		if !known {
			errs = append(errs, fmt.Errorf("event %s (%s) arrived in Kyma although no sample has it", p.Event.ID, p.Event.Type))
		}
		// Current versions publish what comes by the legacy route twice, under two types.
		key := p.Event.ID + " (" + p.Event.Type + ")"
		if seen[key]++; seen[key] == 2 {
			errs = append(errs, fmt.Errorf("event %s arrived in Kyma more than once", key))
		}
	}
	return errors.Join(errs...)
}

// reasonOf is what the gateway gives as the reason of its answer: all of the answer where it is not the usual one.
func reasonOf(answer sample.Answer) string {
	var said struct{ Error string }
	if json.Unmarshal([]byte(answer.Body), &said) == nil && said.Error != "" {
		return said.Error
	}
	return answer.Body
}

// outcome is what the gateway says it has made of a delivery. Where the answer has no words, its status has
// to do: one that is expected stands for the outcome that is expected with it.
func outcome(answer sample.Answer, want sample.Golden) string {
	var said struct{ Outcome string }
	if json.Unmarshal([]byte(answer.Body), &said) == nil && said.Outcome != "" {
		return said.Outcome
	}
	if answer.Status == want.Status {
		return want.Outcome
	}
	return fmt.Sprintf("status %d", answer.Status)
}
