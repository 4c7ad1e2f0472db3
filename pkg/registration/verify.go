package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Via says how verify calls what is registered.
type Via string

// The values of Via.
const (
	ViaAuto    Via = "auto"    // through Kyma's gateway; the system itself where this place may not use the gateway
	ViaGateway Via = "gateway" // through Kyma's gateway, or not at all
	ViaSystem  Via = "system"  // the system itself
)

// Vias are all values, for usage texts.
func Vias() []Via { return []Via{ViaAuto, ViaGateway, ViaSystem} }

// Who a call failed at.
const (
	AtGateway = "gateway"
	AtSystem  = "system"
)

// CallReport is one call of a registered API, made as a workload makes it.
type CallReport struct {
	// Via is ViaGateway or ViaSystem.
	Via Via `json:"via"`
	// Method and URL are what was called; the URL is without a query.
	Method string `json:"method"`
	URL    string `json:"url"`
	// Status is that of the system where the gateway tells it, else that of the gateway; 0 where there was no answer.
	Status int `json:"status,omitempty"`
	// Answers says that the API answers as it should.
	Answers bool `json:"answers"`
	// FailedAt is AtGateway or AtSystem; empty where the API answers.
	FailedAt string `json:"failedAt,omitempty"`
	// Note is what has to be known about the answer.
	Note string `json:"note,omitempty"`
}

// verified is a service that is called.
type verified struct {
	probed
	service Service
	// kept is what Kyma's gateway signs in with.
	kept *system.Authorization
	row  int // index in report.Services
}

// verify judges a plan that should be empty, and calls what is registered.
func (r *run) verify(ctx context.Context, plan Plan) {
	for _, step := range plan.Steps {
		reason := "not registered"
		switch step.Action {
		case Update:
			reason = "not registered as it should be: " + step.Reason
		case Delete:
			r.leftover(*step.Registered, OutcomeLeft, step.Reason)
			continue
		}
		r.outcome(step.id(), OutcomeFailed, reason)
		row := r.at(step.id())
		row.Class, row.Next = ClassMissing, "run registration-job apply"
		if step.Action == Update {
			row.URL = r.url(*step.Service)
		}
	}
	r.callRegistered(ctx)
}

// callRegistered calls every API that is registered.
func (r *run) callRegistered(ctx context.Context) {
	var all []verified
	for i, row := range r.report.Services {
		if v, ok := r.probes[row.ServiceID]; ok && row.URL != "" {
			v.row = i
			all = append(all, v)
		}
	}
	calls := make([]CallReport, len(all))
	findings := make([]finding, len(all))
	elsewhere := make([]string, len(all))
	each(r.Parallel, len(all), func(i int) {
		calls[i], findings[i], elsewhere[i] = r.callOne(ctx, all[i])
	})
	r.report.Verified = &Verification{Dropped: []DroppedReport{}}
	for i, v := range all {
		row := &r.report.Services[v.row]
		row.Call = &calls[i]
		r.report.Verified.add(calls[i])
		if f := findings[i]; !f.OK() {
			row.Outcome, row.Class, row.Next = OutcomeFailed, f.Class, f.Next
			row.Reason = joinSentences(row.Reason, f.Reason)
		}
		if why := elsewhere[i]; why != "" && !slices.Contains(r.report.Notes, why) {
			r.note("%s", why)
		}
	}
}

// callOne calls an API. elsewhere says why the system itself was called though Kyma has a gateway.
func (r *run) callOne(ctx context.Context, v verified) (call CallReport, f finding, elsewhere string) {
	through, f := newProbeCall(r.builder.system, v.candidate, v.address)
	if !f.OK() {
		return CallReport{Via: ViaSystem}, f, "" // cannot be: the probe was made by it
	}
	direct := CallReport{Via: ViaSystem, Method: through.request.Method, URL: httpclient.Address(through.request.URL), Answers: true}
	if r.Via == ViaSystem || r.Gateway == nil {
		return direct, finding{}, ""
	}
	if r.GatewayMissing && !r.GatewayExpected && r.Via != ViaGateway {
		return direct, finding{}, "the cluster has no Application Gateway, so that no workload can call the APIs: what answered is the system itself. Install Kyma's Application Connector module"
	}
	if r.GatewayMissing {
		call = CallReport{Via: ViaGateway, Method: through.request.Method, URL: r.report.Services[v.row].URL, FailedAt: AtGateway}
		return call, finding{
			Class:  ClassMissing,
			Reason: "the system answers, but the cluster has no Application Gateway, so that no workload can call the API",
			Next:   "look at Kyma's Application Connector module, which should bring it; --via system looks at the system alone",
		}, ""
	}
	below := false
	through.request.URL, below = throughGateway(r.report.Services[v.row].URL, v.service.API.TargetURL, through.request.URL)
	call = CallReport{Via: ViaGateway, Method: through.request.Method, URL: httpclient.Address(through.request.URL)}
	answer, err := r.Gateway.Do(ctx, through.request)
	if err == nil {
		call.Status = answer.Status
	}
	if why := closed(answer, err); why != "" && r.Via != ViaGateway {
		return direct, finding{}, "Kyma's gateway was not called, since " + why + ": what answered is the system itself. Run verify inside the mesh (helm test does)"
	}
	if err != nil {
		call.FailedAt = AtGateway
		return call, finding{Class: ClassUnreachable, Reason: "Kyma's gateway gives no answer: " + err.Error(), Next: gatewayHint(err)}, ""
	}
	if f := judgeGateway(through.request, answer); !f.OK() {
		call.FailedAt = AtGateway
		return call, f, ""
	}
	if status := targetStatus(answer); status != 0 {
		call.Status = status
		told := *answer
		told.Status = status
		answer = &told
	}
	f, call.Note = r.judgeSystem(v, through, answer, below)
	if call.Answers = f.OK(); !call.Answers {
		call.FailedAt = AtSystem
	}
	return call, f, ""
}

// throughGateway is the address by which a workload makes a call to the system; below says whether it leads to
// the same place, or only to the API's root because the call is not below the API's target.
func throughGateway(gateway, target, call string) (address string, below bool) {
	t, errTarget := url.Parse(target)
	c, errCall := url.Parse(call)
	if errTarget != nil || errCall != nil {
		return gateway, false
	}
	base := strings.TrimRight(t.EscapedPath(), "/")
	rest, found := strings.CutPrefix(c.EscapedPath(), base)
	if t.Scheme != c.Scheme || t.Host != c.Host || !found || rest != "" && !strings.HasPrefix(rest, "/") {
		return gateway + "/", false
	}
	// A colon in the first segment would be taken for the end of a scheme.
	first, others, more := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	address = gateway + "/" + strings.ReplaceAll(first, ":", "%3A")
	if more {
		address += "/" + others
	}
	if c.RawQuery != t.RawQuery && c.RawQuery != "" {
		address += "?" + c.RawQuery // the gateway adds the target's own
	}
	return address, true
}

// closed says why this process may not use Kyma's gateway; empty where it may, whatever the answer is.
func closed(answer *httpclient.Response, err error) string {
	var failed *httpclient.Error
	switch {
	case errors.As(err, &failed) && failed.Kind == httpclient.DNS:
		return "its name is not known here: this is outside the cluster, or the cluster has no Application Gateway"
	case errors.As(err, &failed) && failed.Kind == httpclient.Cut:
		return "it closes the connection, as it does to pods without a sidecar of Istio"
	case err == nil && answer.Status == http.StatusForbidden && (bytes.HasPrefix(answer.Body, []byte("RBAC: access denied")) || bytes.HasPrefix(answer.Body, []byte("PERMISSION_DENIED"))):
		return "Istio does not let this pod call it"
	}
	return ""
}

// gatewayHint says what to do where the gateway gives no answer.
func gatewayHint(err error) string {
	var failed *httpclient.Error
	if errors.As(err, &failed) && (failed.Kind == httpclient.DNS || failed.Kind == httpclient.Cut) {
		return "run it in a pod of the cluster that has a sidecar of Istio"
	}
	return "check that the pods of Kyma's gateway run (central-application-gateway in kyma-system; before Kyma 2.0 one for each Application in kyma-integration)"
}

// The headers and limits of Kyma's gateway.
const (
	headerTargetStatus = "Target-System-Status"
	gatewayCaches      = "Kyma's gateway goes on for up to 7 minutes with what it has read"
)

// targetStatus is the status that the system gave and the gateway replaced; 0 where it did not.
func targetStatus(answer *httpclient.Response) int {
	status, err := strconv.Atoi(answer.Header.Get(headerTargetStatus))
	if err != nil || status < 100 || status > 599 {
		return 0
	}
	return status
}

// judgeGateway says what went wrong at Kyma's gateway itself. The finding is active where the answer is the
// system's. What it says is not quoted: the system could have written it.
func judgeGateway(request httpclient.Request, answer *httpclient.Response) finding {
	text, own := gatewayText(answer)
	if !own {
		return finding{}
	}
	said := "Kyma's gateway answered " + strconv.Itoa(answer.Status)
	switch {
	case answer.Status == http.StatusNotFound:
		return finding{Class: ClassMissing, Reason: said + ": it does not know this API", Next: gatewayCaches + ": try again then; otherwise run registration-job apply"}
	case answer.Status == http.StatusBadRequest && strings.Contains(text, "multiple services"):
		return finding{Class: ClassConflict, Reason: said + ": two services of the Application have the same name in the address", Next: "rename one of them; " + gatewayCaches}
	case answer.Status == http.StatusBadRequest:
		return finding{Class: ClassMisconfigured, Reason: said + ": it does not take the path " + httpclient.Address(request.URL), Next: "correct the path of the probe in the definition"}
	case strings.Contains(strings.ToLower(text), "token"):
		return finding{Class: ClassUnauthorized, Reason: said + ": it gets no token from the system for this API", Next: "check the credentials and the address of the token endpoint; where they changed, " + gatewayCaches}
	case answer.Status == http.StatusInternalServerError:
		return finding{Class: ClassMissing, Reason: said + ": it cannot use the credentials that are registered (a Secret is missing, or not as it should be)", Next: "run registration-job apply; " + gatewayCaches}
	case answer.Status == http.StatusGatewayTimeout:
		return finding{Class: ClassUnreachable, Reason: said + ": the system takes longer than the gateway waits, which is 10 seconds unless it was configured", Next: "try again; where it stays, raise proxyTimeout of Kyma's Application Connector"}
	}
	return finding{Class: ClassUnreachable, Reason: said + ": it gets no connection to the system", Next: "check that Kyma's namespaces may connect to the system, and the system's certificate; it answers from here"}
}

// gatewayText is the text of an error that the gateway, or the mesh around it, made itself.
func gatewayText(answer *httpclient.Response) (text string, own bool) {
	if answer.Header.Get(headerTargetStatus) != "" || answer.Status < http.StatusBadRequest {
		return "", false
	}
	body := bytes.TrimSpace(answer.Body)
	if answer.Status == http.StatusBadGateway && len(body) == 0 {
		return "", true
	}
	if answer.Status == http.StatusServiceUnavailable && (bytes.HasPrefix(body, []byte("upstream connect error")) || bytes.HasPrefix(body, []byte("no healthy upstream"))) {
		return "", true
	}
	var said struct {
		Code  int    `json:"code"`
		Error string `json:"error"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&said) != nil || said.Code != answer.Status || said.Error == "" {
		return "", false
	}
	return said.Error, true
}

// judgeSystem judges the system's own answer. Where the call did not lead to the place of the probe, any answer
// that is neither a refusal nor a failure will do.
func (r *run) judgeSystem(v verified, call *probeCall, answer *httpclient.Response, below bool) (f finding, note string) {
	hints := v.hints
	hints.WhenDisabled = "" // it answers from here, so it is enabled
	switch s := answer.Status; {
	case r.unsigned(v):
		if s == http.StatusTooManyRequests || s >= http.StatusInternalServerError {
			return system.JudgeStatus(call.request, answer, call.want, hints), ""
		}
		return finding{}, "it asks whoever calls it to sign in: it is registered without credentials"
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return finding{
			Class:  ClassUnauthorized,
			Reason: fmt.Sprintf("the system answered %d: it refuses what Kyma's gateway signs in with, though it takes the same credentials from here", s),
			Next:   "where they changed just now, " + gatewayCaches + "; otherwise run registration-job apply",
		}, ""
	case below:
		return call.judge(v.candidate, answer), ""
	case s == http.StatusTooManyRequests, s >= http.StatusInternalServerError:
		return system.JudgeStatus(call.request, answer, call.want, hints), ""
	}
	return finding{}, "the probe of the definition does not lead below the API, so its root was called"
}

// unsigned says whether Kyma cannot sign in for the workload.
func (r *run) unsigned(v verified) bool {
	return v.service.API.Credentials == Credentials{} && r.builder.refuses(v.auth) != ""
}
