package eventgateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/openapi"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/token"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/verify"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/webhook"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// setup is a definition with its parameters, ready to run.
type setup struct {
	definition  *connector.Definition
	params      *connector.Params
	application string
	// routes are in the order of the definition's deliveries.
	routes []*gateway.Route
	// tokens are the routes of the deliveries' token endpoints, nil where a delivery has none.
	tokens []*gateway.Route
	// payloads, if not nil, checks payloads; with rejectPayloads what does not fit is no event.
	payloads       gateway.Payloads
	rejectPayloads bool
	// hosts are what deliveries that have hosts of their own are reached by.
	hosts hostNames
	// documents describe the webhooks that the definition publishes.
	documents []*openapi.Description
	// relays are in the order of the definition; they are made last, see newRelays.
	relays []*relay.Relay
	client *httpclient.Client
	// tracer makes spans; nil where nobody asked for them.
	tracer *tracing.Tracer
	// guard is for calls to addresses that the system or the parameters name; keys is for those that fetch
	// public keys.
	guard *httpclient.Guard
	keys  *httpclient.Client
}

// load reads the definition and the parameters and makes the routes, so that whatever is wrong shows
// before anything is opened.
func (f *definitionFlags) load() (*setup, error) {
	if f.connector == "" {
		return nil, errors.New("--connector is missing: name the file of the connector definition")
	}
	d, err := connector.LoadFile(os.DirFS(filepath.Dir(f.connector)), filepath.Base(f.connector))
	if err != nil {
		return nil, err
	}
	params, err := d.ReadParams(f.params...)
	if err != nil {
		return nil, err
	}
	if err := supported(d); err != nil {
		return nil, fmt.Errorf("%s: %w", f.connector, err)
	}
	application, err := d.Application.Text(params.Input())
	if err != nil {
		return nil, fmt.Errorf("%s: application: %w", f.connector, err)
	}
	s := &setup{definition: d, params: params, application: application}
	if s.guard, err = httpclient.NewGuard(f.allowAddresses, f.getenv); err != nil {
		return nil, fmt.Errorf("--allow-address: %w", err)
	}
	s.keys = verify.NewClient(s.guard)
	if s.hosts, err = newHostNames(d, params.Input()); err != nil {
		return nil, fmt.Errorf("%s: %w", f.connector, err)
	}
	for i := range d.Deliveries {
		delivery := &d.Deliveries[i]
		stages, err := s.newStages(delivery, params.Input())
		if err != nil {
			return nil, fmt.Errorf("%s: delivery %q: %w", f.connector, delivery.Name, err)
		}
		route := gateway.NewRoute(delivery.Name, stages.delivery)
		route.Respond = delivery.Respond
		route.DeadLetterUnknown = delivery.Unknown == "deadLetter" || delivery.Unknown == "" && delivery.MQTT != nil
		route.RefuseUnknown = delivery.Unknown == "refuse"
		route.Unheard = delivery.MQTT != nil
		route.Kept = kept(delivery)
		s.routes = append(s.routes, route)
		var tokens *gateway.Route
		if delivery.Token != nil {
			tokens = gateway.NewRoute(tokenName(delivery), stages.token)
		}
		s.tokens = append(s.tokens, tokens)
		if delivery.HTTP != nil && delivery.HTTP.OpenAPI != "" {
			document, err := openapi.Describe(d, delivery)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.connector, err)
			}
			s.documents = append(s.documents, document)
		}
	}
	return s, nil
}

// supported refuses what a definition may ask for and this gateway cannot do, before it half works.
func supported(d *connector.Definition) error {
	if len(d.Deliveries)+len(d.Relay) == 0 {
		return errors.New("deliveries: the connector has none, and no relay, so there is nothing to receive: do not run a gateway for it")
	}
	for _, delivery := range d.Deliveries {
		if delivery.HTTP == nil && delivery.MQTT == nil {
			return fmt.Errorf("delivery %q: has no transport: add http or mqtt", delivery.Name)
		}
	}
	return nil
}

// staged are the parts of a delivery that depend on parameters.
type staged struct {
	delivery gateway.Stages
	// token belongs to its token endpoint.
	token gateway.Stages
}

func (s *setup) newStages(delivery *connector.Delivery, params expression.Input) (staged, error) {
	mapper, err := mapping.New(s.definition, delivery, params)
	if err != nil {
		return staged{}, err
	}
	options := verify.Options{HTTP: s.keys, Input: func(d *gateway.Delivery) (expression.Input, error) {
		return mapper.Input(mapping.Delivery{Header: d.Header, Query: d.Query, Path: d.Path, Topic: d.Topic, Body: d.Body})
	}}
	var out staged
	if delivery.Token != nil {
		authority, err := token.FromDefinition(delivery, params)
		if err != nil {
			return staged{}, err
		}
		options.Tokens, out.token.Verifier = authority, authority
	}
	verifier, err := verify.New(delivery.Verify, params, options)
	if err != nil {
		return staged{}, err
	}
	out.delivery = gateway.Stages{Verifier: verifier, Mapper: mapper}
	return out, nil
}

// reload makes all stages of new parameters, and puts them in place if all could be made.
func (s *setup) reload(params *connector.Params) error {
	all := make([]staged, len(s.routes))
	for i := range s.definition.Deliveries {
		delivery := &s.definition.Deliveries[i]
		stages, err := s.newStages(delivery, params.Input())
		if err != nil {
			return fmt.Errorf("delivery %q: %w", delivery.Name, err)
		}
		all[i] = stages
	}
	swapRelays, err := s.prepareRelays(params)
	if err != nil {
		return err
	}
	swapRelays()
	for i, route := range s.routes {
		route.Swap(all[i].delivery)
		if s.tokens[i] != nil {
			s.tokens[i].Swap(all[i].token)
		}
	}
	s.params = params
	return nil
}

// remap maps a dead letter's delivery with the definition of now. What the target would refuse is an error, and
// a payload that is rejected, too.
func (s *setup) remap(check func(event.Event) error) func(gateway.Delivery) ([]gateway.Entry, error) {
	fits := func(e event.Event) error {
		if s.rejectPayloads {
			if problem, _ := s.payloads.Check(e); problem != "" {
				return fmt.Errorf("the payload is not what the event catalog says of %s: %s", e.FullType(), problem)
			}
		}
		return check(e)
	}
	return func(d gateway.Delivery) ([]gateway.Entry, error) {
		for _, route := range s.routes {
			if route.Name == d.Route {
				return gateway.Remap(route.Stages().Mapper, fits, d)
			}
		}
		return nil, fmt.Errorf("the definition has no delivery %q any more", d.Route)
	}
}

// webhooks are the routes with their transport.
func (s *setup) webhooks() []webhook.Route {
	var out []webhook.Route
	for i, delivery := range s.definition.Deliveries {
		http := delivery.HTTP
		if http == nil {
			continue
		}
		out = append(out, webhook.Route{
			Route: s.routes[i], Path: http.Path, Subpaths: http.Subpaths, TokenInPath: delivery.Verify.TokenInPath(),
			Accepts: http.Accepts, MaxBody: int64(http.MaxBody), AnswerGet: http.AnswerGet,
		})
	}
	return out
}

var (
	headerName = regexp.MustCompile("\\bheader\\(\\s*[\"'`]([^\"'`]+)[\"'`]\\s*\\)")
	queryName  = regexp.MustCompile("\\bquery\\(\\s*[\"'`]([^\"'`]+)[\"'`]\\s*\\)")
)

// kept are the headers and query values that the mapping reads: what a delivery needs to be mapped again,
// and no more.
func kept(d *connector.Delivery) gateway.Kept {
	values := []connector.Value{
		d.Content, d.Ignore, d.Reject, d.OrderBy,
		d.Event.Type, d.Event.Version, d.Event.ID, d.Event.Source, d.Event.Subject, d.Event.Time, d.Event.Data, d.Event.DataContentType,
	}
	for _, rule := range d.Types {
		values = append(values, rule.When)
	}
	k := gateway.Kept{Headers: []string{"Content-Type"}}
	for _, v := range values {
		for _, match := range headerName.FindAllStringSubmatch(v.Source(), -1) {
			k.Headers = append(k.Headers, match[1])
		}
		for _, match := range queryName.FindAllStringSubmatch(v.Source(), -1) {
			k.Query = append(k.Query, match[1])
		}
	}
	return k
}
