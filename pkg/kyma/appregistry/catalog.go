// Package appregistry registers services by the Application Registry, the REST API of Kyma 1.6 to 2.2. The
// registry loses writes that come at the same time, often does the work without giving an answer, and gives
// out ids of its own; the identifier of a service is what makes a run repeatable.
package appregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

const (
	// maxList and maxAnswer bound the bodies of answers in bytes: the list of services, and all others.
	maxList, maxAnswer = 32 << 20, 4 << 20
	// attempts bounds how often a service is posted.
	attempts = 3
	// The registry may go on for 25 seconds after the answer was lost: 20 for a specification, 5 for storing it.
	defaultSettle, defaultPoll = 30 * time.Second, 2 * time.Second
)

// Options say which registry to use, and for whom.
type Options struct {
	// URL is the registry's address for one Application, "http://…:8081/<application>/v1/metadata"; what
	// follows may be there. Empty means the one inside the cluster.
	URL string
	// Application is the name of the Application.
	Application string
	// Instance owns the services: it is the LabelInstance of those that may be changed.
	Instance string
	// Gateway is the address of Kyma's central gateway (Kyma 2.0 to 2.2); empty where each service has an
	// address of its own (Kyma 1).
	Gateway string
	// HTTP makes the calls; nil means one with defaults.
	HTTP *httpclient.Client
	// Settle is how long a service is looked for after a call without an answer, Poll the pause between; 0
	// means 30 and 2 seconds.
	Settle, Poll time.Duration
	// Logger gets what an operator should know but no error tells; nil discards it.
	Logger *slog.Logger
}

// Catalog is a registration.Catalog on an Application Registry. It is safe for concurrent use; it makes one
// write after the other.
type Catalog struct {
	options Options

	writing sync.Mutex // the registry loses writes that come at the same time

	mu  sync.Mutex
	ids map[string]string // the registry's ids by identifier

	writes atomic.Int64 // calls that changed something
}

var (
	_ registration.Catalog              = (*Catalog)(nil)
	_ registration.CredentialJudge      = (*Catalog)(nil)
	_ registration.Noter                = (*Catalog)(nil)
	_ registration.SpecificationFetcher = (*Catalog)(nil)
	_ registration.WriteCounter         = (*Catalog)(nil)
	_ registration.WriteForeseer        = (*Catalog)(nil)
)

// DefaultURL is the address of the registry for an Application from inside the cluster.
func DefaultURL(application string) string {
	return "http://application-registry-external-api.kyma-integration.svc.cluster.local:8081/" + application + "/v1/metadata"
}

// New returns a Catalog. It makes no call. The error is a *registration.ConfigError.
func New(options Options) (*Catalog, error) {
	if options.Application == "" || options.Instance == "" {
		return nil, &registration.ConfigError{What: "the application and the instance are needed", Next: "set the application's parameter and --instance"}
	}
	if options.URL == "" {
		options.URL = DefaultURL(options.Application)
	}
	options.URL = strings.TrimSuffix(strings.TrimRight(options.URL, "/"), "/services")
	if base, ok := strings.CutSuffix(options.URL, "/v1/metadata"); ok && path.Base(base) != options.Application {
		return nil, &registration.ConfigError{
			What: fmt.Sprintf("the registry's address is that of the application %q, but the application's parameter says %q", path.Base(base), options.Application),
			Next: "make --registry-url (" + httpclient.Address(options.URL) + ") and the parameter agree",
		}
	}
	if options.HTTP == nil {
		options.HTTP = httpclient.New(httpclient.Options{MaxBody: maxAnswer})
	}
	if options.Settle <= 0 {
		options.Settle = defaultSettle
	}
	if options.Poll <= 0 {
		options.Poll = defaultPoll
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Catalog{options: options, ids: map[string]string{}}, nil
}

// Refuses implements registration.CredentialJudge.
func (c *Catalog) Refuses(credentials registration.Credentials) string {
	if credentials.ClientCertificate != nil {
		return "the Application Registry makes client certificates of its own and takes none"
	}
	return ""
}

// Name implements registration.Catalog.
func (c *Catalog) Name() string { return "application-registry" }

// URL implements registration.Catalog. In Kyma 1 it is known once the service was listed or applied.
func (c *Catalog) URL(s registration.Service) string {
	if s.API == nil {
		return ""
	}
	if c.options.Gateway != "" {
		return c.options.Gateway + "/" + c.options.Application + "/" + registration.URLSegment(s.DisplayName)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.ids[s.Identifier]
	if id == "" {
		return ""
	}
	return "http://" + resourceName(c.options.Application, id) + ".kyma-integration.svc.cluster.local"
}

// maxApplication is how much of an Application's name is part of the names of its Kubernetes Services.
const maxApplication = 26

func resourceName(application, id string) string {
	if len(application) > maxApplication {
		application = application[:maxApplication]
	}
	return application + "-" + id
}

// listed is one member of the registry's list.
type listed struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Identifier string            `json:"identifier"`
	Labels     map[string]string `json:"labels"`
}

// List implements registration.Catalog.
func (c *Catalog) List(ctx context.Context) ([]registration.Registered, error) {
	services, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]registration.Registered, len(services))
	for i, s := range services {
		found[i] = registration.Registered{ID: s.ID, Identifier: s.Identifier, DisplayName: s.Name, Labels: s.Labels}
	}
	return found, nil
}

func (c *Catalog) list(ctx context.Context) ([]listed, error) {
	answer, err := c.options.HTTP.Do(ctx, httpclient.Request{URL: c.options.URL + "/services", MaxBody: maxList})
	if err != nil {
		return nil, unanswered("list the services", err)
	}
	if answer.Status != http.StatusOK {
		return nil, refusal("list the services", answer, nil)
	}
	var services []listed
	if json.Unmarshal(answer.Body, &services) != nil || services == nil {
		return nil, &registration.ConfigError{What: fmt.Sprintf("what answers at %s is no Application Registry", httpclient.Address(c.options.URL)), Next: "check --registry-url"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range services {
		if s.Identifier != "" {
			c.ids[s.Identifier] = s.ID
		}
	}
	return services, nil
}

// Apply implements registration.Catalog: one change after the other, each independent of the others' success.
// When the context ends, the changes that are left fail.
func (c *Catalog) Apply(ctx context.Context, changes []registration.Change) []error {
	c.writing.Lock()
	defer c.writing.Unlock()
	errs := make([]error, len(changes))
	for i, change := range changes {
		if ctx.Err() != nil {
			errs[i] = context.Cause(ctx)
			continue
		}
		errs[i] = c.apply(ctx, change)
	}
	return errs
}

func (c *Catalog) apply(ctx context.Context, change registration.Change) error {
	if change.Action != registration.Create {
		if change.Registered == nil || change.Registered.ID == "" {
			return &registration.ConfigError{What: fmt.Sprintf("the change %q does not say which service it is about", change.Action)}
		}
		if change.Action == registration.Delete {
			if owner := change.Registered.Labels[registration.LabelInstance]; owner != c.options.Instance {
				return &registration.ConfigError{What: fmt.Sprintf("service %q is not deleted: it belongs to somebody else", change.Registered.DisplayName), Next: "delete it with the installation that made it"}
			}
			return c.delete(ctx, *change.Registered)
		}
	}
	if change.Service == nil {
		return &registration.ConfigError{What: fmt.Sprintf("the change %q has no service", change.Action)}
	}
	if err := check(*change.Service); err != nil {
		return err
	}
	if change.Action == registration.Update {
		return c.update(ctx, *change.Service, change.Registered.ID, true)
	}
	return c.create(ctx, *change.Service)
}

// create posts a service. Before anything is repeated it looks for the identifier: the registry may have
// done the work without saying so.
func (c *Catalog) create(ctx context.Context, s registration.Service) error {
	what := fmt.Sprintf("register %q", s.DisplayName)
	for attempt := 1; ; attempt++ {
		answer, err := c.send(ctx, http.MethodPost, "", newDetails(s))
		unclear := err == nil && answer.Status == http.StatusOK && idOf(answer) == ""
		if err == nil && answer.Status == http.StatusOK && !unclear {
			return c.created(ctx, s, answer, attempt)
		}
		problem := unanswered(what, err)
		switch {
		case unclear:
			problem = noRegistry(what)
		case err == nil:
			problem = refusal(what, answer, s.API)
		}
		conflict := err == nil && answer.Status == http.StatusConflict
		if !conflict && !unclear && !mayRepeat(answer, err) {
			return c.withoutSpecification(ctx, s, answer, problem)
		}
		found, lookErr := c.find(ctx, s.Identifier, lost(err))
		switch {
		case lookErr != nil:
			return fmt.Errorf("%w; whether it was done is not known: %w", problem, lookErr)
		case found != nil && found.Labels[registration.LabelInstance] != c.options.Instance:
			return &registration.ConfigError{What: fmt.Sprintf("%s: the identifier %q is taken by a service of somebody else", what, s.Identifier), Next: "remove that service, or choose another Application"}
		case found != nil && !conflict && found.Labels[registration.LabelHash] == s.Labels[registration.LabelHash]:
			return nil // the work was done
		case found != nil:
			return c.update(ctx, s, found.ID, false)
		case unclear:
			return problem
		case attempt == attempts:
			return c.withoutSpecification(ctx, s, answer, problem)
		}
		if c.pause(ctx, attempt) != nil {
			return problem
		}
	}
}

// created notes the id that the registry gave. Where the POST was a repetition, a slow first one may have
// come through as well: one of the two goes.
func (c *Catalog) created(ctx context.Context, s registration.Service, answer *httpclient.Response, attempt int) error {
	made := idOf(answer)
	if made != "" {
		c.remember(s.Identifier, made)
	}
	if attempt == 1 || made == "" {
		return nil
	}
	services, err := c.list(ctx)
	if err != nil {
		return err
	}
	for _, other := range services {
		if other.Identifier == s.Identifier && other.ID != made && other.Labels[registration.LabelInstance] == c.options.Instance {
			if err := c.delete(ctx, registration.Registered{ID: other.ID, DisplayName: other.Name}); err != nil {
				return err
			}
		}
	}
	c.remember(s.Identifier, made)
	return nil
}

// idOf is the id that the registry gave a service; empty where the answer has none.
func idOf(answer *httpclient.Response) string {
	var made struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(answer.Body, &made) != nil {
		return ""
	}
	return made.ID
}

// withoutSpecification is the last resort where the registry fails at fetching or storing the specification: the API can
// then be called, and the next run tries again, because the hash is left out. Each attempt to create a service in vain
// leaves a Secret behind.
func (c *Catalog) withoutSpecification(ctx context.Context, s registration.Service, answer *httpclient.Response, problem error) error {
	if !failsAtSpecification(s, answer) {
		return problem
	}
	bare, err := c.send(ctx, http.MethodPost, "", newDetails(bareService(s)))
	if err != nil || bare.Status != http.StatusOK {
		return problem
	}
	if err := c.created(ctx, s, bare, 1); err != nil {
		return err
	}
	return without(s, problem)
}

func without(s registration.Service, problem error) error {
	return fmt.Errorf("%q can be called, but was registered without its specification: %w", s.DisplayName, problem)
}

// failsAtSpecification says whether the specification may be what the registry fails at.
func failsAtSpecification(s registration.Service, answer *httpclient.Response) bool {
	return answer != nil && (answer.Status == http.StatusInternalServerError || answer.Status == http.StatusBadGateway) && hasSpecification(s)
}

// update replaces a service. Where that is not possible it may be created anew instead.
func (c *Catalog) update(ctx context.Context, s registration.Service, id string, mayCreate bool) error {
	what := fmt.Sprintf("update %q", s.DisplayName)
	if updatesTwice(s) {
		answer, err := c.send(ctx, http.MethodPut, id, newDetails(withoutCredentials(s)))
		if err != nil {
			return unanswered(what, err)
		}
		if answer.Status != http.StatusOK && answer.Status != http.StatusNotFound && answer.Status != http.StatusInternalServerError {
			return refusal(what, answer, s.API)
		}
	}
	answer, err := c.send(ctx, http.MethodPut, id, newDetails(s))
	switch {
	case err != nil:
		return unanswered(what, err)
	case answer.Status == http.StatusOK && !json.Valid(answer.Body):
		return noRegistry(what)
	case answer.Status == http.StatusOK:
		c.remember(s.Identifier, id)
		return nil
	case answer.Status == http.StatusBadGateway && hasSpecification(s):
		// What else is new counts all the same.
		bare, err := c.send(ctx, http.MethodPut, id, newDetails(bareService(s)))
		if err != nil || bare.Status != http.StatusOK {
			return refusal(what, answer, s.API)
		}
		return without(s, refusal(what, answer, s.API))
	case answer.Status == http.StatusNotFound && !unknownApplication(answer):
		if !mayCreate {
			return fmt.Errorf("%s: somebody removed it meanwhile", what)
		}
		return c.create(ctx, s)
	case answer.Status == http.StatusInternalServerError && mayCreate && c.unreadable(ctx, id):
		return c.replace(ctx, s, id)
	}
	return refusal(what, answer, s.API)
}

// updatesTwice says that an update goes by way of the service without its credentials: the registry does not notice a
// change of a token call's parameters alone; without the credentials it forgets them.
func updatesTwice(s registration.Service) bool {
	return s.API != nil && s.API.Credentials.OAuth != nil && len(s.API.Credentials.OAuth.Headers)+len(s.API.Credentials.OAuth.Query) > 0
}

// unreadable says that the registry works but fails at this one service: it cannot read the stored
// specification, which it insists on before it replaces anything.
func (c *Catalog) unreadable(ctx context.Context, id string) bool {
	answer, err := c.options.HTTP.Do(ctx, httpclient.Request{URL: c.options.URL + "/services/" + id, MaxBody: maxList})
	if err != nil || answer.Status != http.StatusInternalServerError {
		return false
	}
	_, err = c.list(ctx)
	return err == nil
}

// replace deletes a service and registers it anew, with another id.
func (c *Catalog) replace(ctx context.Context, s registration.Service, id string) error {
	c.options.Logger.WarnContext(ctx, "the registry cannot read the stored specification of a service and so cannot update it: it is deleted and registered anew, with another id",
		"service", s.DisplayName, "id", id)
	if err := c.delete(ctx, registration.Registered{ID: id, DisplayName: s.DisplayName}); err != nil {
		return err
	}
	return c.create(ctx, s)
}

func (c *Catalog) delete(ctx context.Context, r registration.Registered) error {
	what := fmt.Sprintf("delete %q", r.DisplayName)
	answer, err := c.send(ctx, http.MethodDelete, r.ID, nil)
	switch {
	case err != nil:
		return unanswered(what, err)
	case answer.Status == http.StatusNoContent, answer.Status == http.StatusOK, answer.Status == http.StatusNotFound:
		return nil
	}
	return refusal(what, answer, nil)
}

// find looks for a service by its identifier: once, or where the answer was lost until the registry must be
// done.
func (c *Catalog) find(ctx context.Context, identifier string, lost bool) (*listed, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Settle+httpclient.DefaultTimeout)
	defer cancel()
	until := time.Now().Add(c.options.Settle)
	for {
		services, err := c.list(ctx)
		if err != nil {
			return nil, err
		}
		for i := range services {
			if services[i].Identifier == identifier {
				return &services[i], nil
			}
		}
		if !lost || time.Now().After(until) {
			return nil, nil
		}
		if err := sleep(ctx, c.options.Poll); err != nil {
			return nil, err
		}
	}
}

func (c *Catalog) send(ctx context.Context, method, id string, details *details) (*httpclient.Response, error) {
	request := httpclient.Request{Method: method, URL: c.options.URL + "/services"}
	if id != "" {
		request.URL += "/" + id
	}
	if details != nil {
		body, err := details.body()
		if err != nil {
			return nil, err
		}
		request.Body = body
		request.Header = http.Header{"Content-Type": {"application/json"}}
	}
	answer, err := c.options.HTTP.Do(ctx, request)
	if err == nil && (answer.Status == http.StatusOK && json.Valid(answer.Body) || answer.Status == http.StatusNoContent) {
		c.writes.Add(1)
	}
	return answer, err
}

// FetchesSpecifications implements registration.SpecificationFetcher.
func (c *Catalog) FetchesSpecifications() {}

// ForeseeWrites implements registration.WriteForeseer.
func (c *Catalog) ForeseeWrites(_ context.Context, changes []registration.Change) (int, error) {
	writes := 0
	for _, change := range changes {
		writes++
		if change.Action == registration.Update && change.Service != nil && updatesTwice(*change.Service) {
			writes++
		}
	}
	return writes, nil
}

// Writes implements registration.WriteCounter.
func (c *Catalog) Writes() int { return int(c.writes.Load()) }

func (c *Catalog) remember(identifier, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[identifier] = id
}

// pause waits before a POST is repeated, longer each time.
func (c *Catalog) pause(ctx context.Context, attempt int) error {
	return sleep(ctx, time.Duration(attempt)*c.options.Poll)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
