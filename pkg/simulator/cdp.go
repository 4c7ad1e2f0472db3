package simulator

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/gigya"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/jsonschema"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// Limits of what the simulated platform keeps.
const (
	maxCDPIngested = 10_000
	maxCDPLogs     = 100
)

// cdpModel is the model of the simulated event, unless another one is given.
const cdpModel = `{"type":"object","required":["orderCode"],"properties":{
	"orderCode":{"type":"string","minLength":1},"orderStatus":{"type":"string"},"email":{"type":"string","pattern":"@"},"total":{"type":"number"}}}`

// cdp is one business unit of SAP Customer Data Platform with one server application and one event: the
// tree of them behind three kinds of credentials, and the two endpoints that take events in.
type cdp struct {
	*cdpActions
	host     string
	guard    gigya.Guard
	unit     string
	app      string
	event    string
	purposes []string
	// repeated: several purposes are a parameter that is repeated, not a list with commas.
	repeated bool
	model    map[string]any
	asText   bool // the model is shown as a text
	refuses  bool // what does not fit the model is refused at once
	plain    bool // success is an empty object
	maxBatch int
	faults   Faults
	calls    callLog

	mu        sync.Mutex
	ingested  []Ingested
	started   time.Time
	processed int
	logs      []string
}

// newCDP needs system_url, business_unit_id, application_id and data_event_id, or listener_url, which holds them
// all; and user_key and one of secret, signing_secret and private_key. purpose_ids are consent purposes that exist beside "marketing" and
// "personalization". What could not be verified can be had both ways: simulator_schema_check=refuse
// answers 400 to events that do not fit the model, count takes them and reports them in the status;
// simulator_schema_form=text or object is how the model is shown; simulator_success_body=envelope or
// empty. simulator_schema is the model itself, simulator_batch_limit how many events one call may have
// (default 50). simulator_purposes=comma or repeated is how a call names several purposes.
func newCDP(params map[string]string) (System, error) {
	if listener := params["listener_url"]; listener != "" {
		var err error
		if params, err = cdpListener(params, listener); err != nil {
			return nil, err
		}
	}
	host, err := hostOf(params["system_url"])
	if err != nil {
		return nil, err
	}
	if err := needed(params, "business_unit_id", "application_id", "data_event_id", "user_key"); err != nil {
		return nil, err
	}
	c := &cdp{
		host: host, unit: params["business_unit_id"], app: params["application_id"], event: params["data_event_id"],
		purposes:   append([]string{"marketing", "personalization"}, listOf(params["purpose_ids"])...),
		cdpActions: newCDPActions(params["business_unit_id"], params["application_id"]),
	}
	if err := c.configure(params); err != nil {
		return nil, err
	}
	return c, c.credentials(params)
}

// cdpListener takes the address apart that the console shows for an event.
func cdpListener(params map[string]string, listener string) (map[string]string, error) {
	u, err := url.Parse(listener)
	if err != nil {
		return nil, errors.New("parameter listener_url: it is no URL")
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 7 || parts[0] != "api" || parts[1] != "businessunits" || parts[3] != "applications" || parts[5] != "dataevents" {
		return nil, errors.New("parameter listener_url: its path is not /api/businessunits/…/applications/…/dataevents/…/event")
	}
	params = maps.Clone(params)
	params["system_url"] = u.Scheme + "://" + u.Host
	params["business_unit_id"], params["application_id"], params["data_event_id"] = parts[2], parts[4], parts[6]
	return params, nil
}

func (c *cdp) configure(params map[string]string) error {
	check, err1 := choiceOf(params, "simulator_schema_check", "refuse", "count")
	form, err2 := choiceOf(params, "simulator_schema_form", "text", "object")
	body, err3 := choiceOf(params, "simulator_success_body", "envelope", "empty")
	limit, err4 := numberOf(params, "simulator_batch_limit", 50)
	purposes, err5 := choiceOf(params, "simulator_purposes", "comma", "repeated")
	c.repeated = purposes == "repeated"
	c.refuses, c.asText, c.plain, c.maxBatch = check == "refuse", form == "text", body == "empty", limit
	if err := json.Unmarshal([]byte(cmp.Or(params["simulator_schema"], cdpModel)), &c.model); err != nil {
		return fmt.Errorf("parameter simulator_schema: it is no JSON object: %w", err)
	}
	return errors.Join(err1, err2, err3, err4, err5)
}

func (c *cdp) credentials(params map[string]string) error {
	c.guard.UserKey = params["user_key"]
	for _, name := range []string{"secret", "signing_secret"} {
		if params[name] != "" {
			c.guard.Secrets = append(c.guard.Secrets, params[name])
		}
	}
	if _, err := base64.StdEncoding.DecodeString(params["signing_secret"]); err != nil {
		return errors.New("parameter signing_secret: it is no Base64 text, so that nothing can be signed with it")
	}
	if text := params["private_key"]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return errors.New("parameter private_key: it is no PEM text")
		}
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			parsed, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
			key, _ = parsed.(*rsa.PrivateKey)
		}
		if key == nil {
			return errors.New("parameter private_key: it is no RSA private key")
		}
		c.guard.PublicKey = &key.PublicKey
	}
	if len(c.guard.Secrets) == 0 && c.guard.PublicKey == nil {
		return errors.New("parameter secret: it or private_key is needed, the simulated system lets nobody in without")
	}
	return nil
}

// Hosts implements System.
func (c *cdp) Hosts() map[string]http.Handler {
	return map[string]http.Handler{c.host: part{name: PartAPI, handler: c.signedIn(c.routes()), faults: &c.faults, calls: &c.calls}}
}

// Faults implements System.
func (c *cdp) Faults() *Faults { return &c.faults }

// Calls implements System.
func (c *cdp) Calls() []Call { return c.calls.list("") }

// Ingested implements Ingester.
func (c *cdp) Ingested() []Ingested {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ingested)
}

func (c *cdp) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Callid", strings.ReplaceAll(kube.NewUID(), "-", ""))
		if p := c.guard.Check(r, origin(r)+r.URL.EscapedPath()); p != nil {
			cdpFail(w, p.Status, p.Code, p.Message, p.Details)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *cdp) routes() http.Handler {
	unit := map[string]any{"id": c.unit, "name": "Shop", "enabled": true}
	app := map[string]any{"id": c.app, "businessUnitId": c.unit, "name": "Kyma", "type": "Direct", "enabled": true, "description": "A server application"}
	purposes := []any{}
	for _, id := range c.purposes {
		purposes = append(purposes, map[string]any{"id": id, "name": id})
	}
	const (
		inUnit  = "/api/businessunits/{bu}"
		inApp   = inUnit + "/applications/{app}"
		inEvent = inApp + "/dataevents/{event}"
	)
	mux := http.NewServeMux()
	show := func(path string, value any) {
		mux.HandleFunc("GET "+path, c.found(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, value) }))
	}
	show("/api/businessunits", []any{unit})
	show(inUnit, unit)
	show(inUnit+"/purposes", purposes)
	show(inUnit+"/applications", []any{app})
	show(inApp, app)
	show(inApp+"/dataevents", []any{c.view()})
	show(inEvent, c.view())
	show(inEvent+"/purposes", []any{})
	mux.HandleFunc("GET "+inEvent+"/status", c.found(c.status))
	mux.HandleFunc("POST "+inEvent+"/event", c.found(func(w http.ResponseWriter, r *http.Request) { c.ingest(w, r, false) }))
	mux.HandleFunc("POST "+inEvent+"/events", c.found(func(w http.ResponseWriter, r *http.Request) { c.ingest(w, r, true) }))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			cdpFail(w, http.StatusForbidden, 403007, "Permission denied", "the user key may only send events")
			return
		}
		cdpFail(w, http.StatusNotFound, 404000, "Not Found", "no such resource: "+r.URL.Path)
	})
	return mux
}

// found serves what belongs to the one business unit, application and event.
func (c *cdp) found(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, id := range map[string]string{"bu": c.unit, "app": c.app, "event": c.event} {
			if value := r.PathValue(name); value != "" && value != id {
				cdpFail(w, http.StatusNotFound, 404000, "Not Found", "no such id: "+value)
				return
			}
		}
		next(w, r)
	}
}

// view is the event as it can be read.
func (c *cdp) view() map[string]any {
	var model any = c.model
	if c.asText {
		if text, err := json.Marshal(c.model); err == nil {
			model = string(text)
		}
	}
	return map[string]any{"id": c.event, "name": "Order", "type": "Direct", "enabled": true, "description": "Orders of the shop", "dataType": 0, "purposeIds": []any{}, "schema": model}
}

func (c *cdp) status(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := map[string]any{"status": "NOT_RUN_YET", "processedRecords": c.processed, "startTime": nil, "recordLogs": append([]string{}, c.logs...)}
	if !c.started.IsZero() {
		status["status"], status["startTime"] = "SUCCESS", c.started.UTC().Format(time.RFC3339)
	}
	if len(c.logs) > 0 {
		status["status"] = "ERROR"
	}
	writeJSON(w, http.StatusOK, status)
}

// ingest takes one event, or a list of them of which all are taken or none.
func (c *cdp) ingest(w http.ResponseWriter, r *http.Request, many bool) {
	purposes := []string{}
	for _, value := range r.URL.Query()["purposeIds"] {
		if c.repeated {
			purposes = append(purposes, value)
		} else {
			purposes = append(purposes, listOf(value)...)
		}
	}
	if given := r.URL.Query()["purposeIds"]; !c.repeated && len(given) > 1 {
		cdpFail(w, http.StatusBadRequest, 400006, "Invalid parameter value", "purposeIds: it is given more than once")
		return
	}
	for _, id := range purposes {
		if !slices.Contains(c.purposes, id) {
			cdpFail(w, http.StatusBadRequest, 400006, "Invalid parameter value", "purposeIds: no such purpose: "+id)
			return
		}
	}
	body, err := readBody(r, maxRequest)
	if errors.Is(err, errTooLarge) {
		cdpFail(w, http.StatusRequestEntityTooLarge, 413001, "Request too large", "the body is larger than 1 MiB")
		return
	}
	events := []json.RawMessage{body}
	if err == nil && many {
		events = nil
		err = json.Unmarshal(body, &events)
	}
	switch {
	case err != nil:
		cdpFail(w, http.StatusBadRequest, 400001, "Invalid request format", "the body is not a JSON array of events")
	case len(events) > c.maxBatch:
		cdpFail(w, http.StatusRequestEntityTooLarge, 413001, "Request too large", fmt.Sprintf("there are more than %d events in one call", c.maxBatch))
	default:
		c.take(w, events, purposes)
	}
}

func (c *cdp) take(w http.ResponseWriter, events []json.RawMessage, purposes []string) {
	taken, problems := []Ingested{}, []string{}
	for i, event := range events {
		var object map[string]any
		if err := json.Unmarshal(event, &object); err != nil || object == nil {
			cdpFail(w, http.StatusBadRequest, 400001, "Invalid request format", fmt.Sprintf("event %d is not a JSON object", i))
			return
		}
		if wrong := jsonschema.Check(c.model, object); len(wrong) > 0 {
			problems = append(problems, fmt.Sprintf("event %d: %s", i, strings.Join(wrong, ", ")))
			continue
		}
		taken = append(taken, Ingested{Target: c.event, Purposes: purposes, Data: slices.Clone(event)})
	}
	if len(problems) > 0 && c.refuses {
		cdpFail(w, http.StatusBadRequest, 400009, "Validation error", strings.Join(problems, "; "))
		return
	}
	c.mu.Lock()
	if c.started.IsZero() {
		c.started = time.Now()
	}
	c.processed += len(taken)
	c.ingested = append(c.ingested, taken...)
	c.ingested = c.ingested[max(len(c.ingested)-maxCDPIngested, 0):]
	c.logs = append(c.logs, problems...)
	c.logs = c.logs[max(len(c.logs)-maxCDPLogs, 0):]
	c.mu.Unlock()
	if c.plain {
		writeJSON(w, http.StatusOK, map[string]any{})
		return
	}
	cdpAnswer(w, http.StatusOK, map[string]any{"errorCode": 0})
}

func cdpFail(w http.ResponseWriter, status, code int, text, details string) {
	cdpAnswer(w, status, map[string]any{"errorCode": code, "errorMessage": text, "errorDetails": details})
}

func cdpAnswer(w http.ResponseWriter, status int, body map[string]any) {
	body["callId"], body["apiVersion"] = w.Header().Get("X-Callid"), 2
	body["statusCode"], body["statusReason"] = status, http.StatusText(status)
	body["time"] = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	writeJSON(w, status, body)
}
