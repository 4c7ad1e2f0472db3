package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// send sends a batch and settles each item.
func (r *Relay) send(ctx context.Context, items []*item) {
	_ = r.sendPart(ctx, r.plan.Load(), items) // who waits for an item hears of it
}

// sendPart sends a batch in one call. What the system refuses for good is sent again in halves, down to the
// single document that it does not want. Where the system is found to be away, nothing more is tried: the
// error says why.
func (r *Relay) sendPart(ctx context.Context, p *plan, items []*item) (away *gateway.PublishError) {
	err := r.call(ctx, p, items)
	if len(items) > 1 && (err == nil || err.Reason == gateway.ReasonTooLarge) {
		size := overhead
		for _, i := range items {
			size += len(i.document) + 1
		}
		r.batcher.learn(size, err != nil)
	}
	switch {
	case err != nil && err.Permanent && len(items) > 1:
		half := len(items) / 2
		if away := r.sendPart(ctx, p, items[:half]); away != nil {
			settle(items[half:], away)
			return away
		}
		return r.sendPart(ctx, p, items[half:])
	case err != nil && !err.Permanent:
		away = err
	}
	settle(items, err)
	return away
}

func settle(items []*item, err *gateway.PublishError) {
	for _, i := range items {
		i.settle(err)
	}
}

// call makes one call. Nil means that the system has taken all documents.
func (r *Relay) call(ctx context.Context, p *plan, items []*item) *gateway.PublishError {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	request, start := r.request(p, items), time.Now()
	answer, err := p.caller.Call(ctx, request)
	failure := gateway.AsPublishError(err)
	if failure == nil {
		failure = r.judge(p, request.Path, answer)
	}
	r.options.Metrics.RelayCalled(len(items), start, failure)
	return failure
}

// request makes the call for a batch.
func (r *Relay) request(p *plan, items []*item) Request {
	request := p.request
	if len(items) == 1 {
		if p.single != "" {
			request.Path = p.single
		}
		if p.single != "" || r.definition.To.Format == formatSingle {
			request.Body = items[0].document
			return request
		}
	}
	documents := make([][]byte, len(items))
	for i := range items {
		documents[i] = items[i].document
	}
	if r.definition.To.Format == formatLines {
		request.Body = append(bytes.Join(documents, []byte("\n")), '\n')
		return request
	}
	request.Body = append(append([]byte("["), bytes.Join(documents, []byte(","))...), ']')
	return request
}

// judge says what an answer means. The system's own words are left out: they may quote the event.
func (r *Relay) judge(p *plan, path string, answer *httpclient.Response) *gateway.PublishError {
	in := p.params
	in.Status, in.Header, in.Answer = answer.Status, answer.Header, answer.Body
	ok := answer.Status >= 200 && answer.Status < 300
	success, err1 := r.definition.Success.Bool(in, ok)
	if err1 == nil && success {
		return nil
	}
	failure := gateway.JudgeAnswer(answer.Status, answer.Header)
	failure.Detail = fmt.Sprintf("%s %s answers %d", p.request.Method, p.caller.Address(path), answer.Status)
	if code, err := r.definition.Code.Text(in); err == nil && plainCode.MatchString(code) {
		failure.Detail += " (" + code + ")"
	}
	if ok { // of a kind that is no failure by itself
		failure.Reason, failure.Permanent = gateway.ReasonInvalid, true
	}
	repeat, err2 := r.definition.Retry.Bool(in, false)
	if err := errors.Join(err1, err2); err != nil {
		failure.Reason, failure.Permanent, failure.Err = gateway.ReasonMisconfigured, false, err
	} else if repeat && failure.Permanent {
		failure.Reason, failure.Permanent = gateway.ReasonUnavailable, false
	}
	return failure
}

// plainCode is a code that tells nothing of an event.
var plainCode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
