// Package registration brings a system's APIs and events into Kyma: probe the system, work out the
// services that should be registered, compare them with those that are, apply the difference, report.
package registration

import (
	"context"
	"encoding/json"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Labels of a registered service. Instance says which installation owns it, Hash what it was made from
// (credentials left out).
const (
	LabelInstance  = "kyma-connectors.io/instance"
	LabelConnector = "kyma-connectors.io/connector"
	LabelHash      = "kyma-connectors.io/hash"
)

// Service is one API or one event catalog as it should be registered in an Application.
type Service struct {
	// ID is the deterministic UUID of the service; Identifier its stable readable name within the
	// Application, which the Application Registry keeps.
	ID         string
	Identifier string
	// DisplayName is "<product> - <API name>"; Kyma derives the URL segment from it.
	DisplayName string
	Provider    string
	Description string
	Labels      map[string]string
	// API or Events is set.
	API    *API
	Events json.RawMessage // AsyncAPI document as a JSON object
}

// API is the callable part of a Service.
type API struct {
	Kind connector.APIKind
	// TargetURL is the address that Kyma's gateway forwards to.
	TargetURL string
	// Specification is the document as a JSON object, or SpecificationURL where to get it; both may be empty.
	Specification    *Document
	SpecificationURL string
	// SpecificationAuth says that the specification needs Credentials too.
	SpecificationAuth bool
	Credentials       Credentials
	// CSRFTokenURL is set where writes need a token.
	CSRFTokenURL string
	Headers      map[string][]secret.Text
	Query        map[string][]secret.Text
	// SecretName names the credentials, headers and query within the installation, as a DNS label: services
	// with the same name have the same ones and share the Secrets that hold them, so that an account needs
	// rights on a few Secrets of known names only. Empty: this service has Secrets of its own, which the
	// Catalog names.
	SecretName string
}

// Credentials are what Kyma's gateway adds to each call. At most one member is set.
type Credentials struct {
	Basic             *BasicCredentials
	OAuth             *OAuthCredentials
	ClientCertificate *ClientCertificate
}

// BasicCredentials are for HTTP Basic.
type BasicCredentials struct {
	Username string
	Password secret.Text
}

// OAuthCredentials are for the client credentials grant.
type OAuthCredentials struct {
	TokenURL     string
	ClientID     string
	ClientSecret secret.Text
	Headers      map[string][]secret.Text
	Query        map[string][]secret.Text
}

// ClientCertificate is PEM.
type ClientCertificate struct {
	Certificate string
	Key         secret.Text
}

// Registered is one service as the Catalog holds it, whoever made it.
type Registered struct {
	ID          string
	Identifier  string
	DisplayName string
	Labels      map[string]string
}

// Action is what a Change does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Change is one step from what is registered to what should be.
type Change struct {
	Action Action
	// Service is the new state; nil for Delete.
	Service *Service
	// Registered is the old state; nil for Create.
	Registered *Registered
}

// Catalog is where services are registered: one implementation per generation of Kyma.
type Catalog interface {
	// Name is the name of the backend: "application-registry" or "application".
	Name() string
	// List returns every service of the Application, those of other owners included. A missing
	// Application is an error that wraps ErrNoApplication. A Catalog that sees that somebody changed a
	// service, or removed a part of it, since it was applied leaves LabelHash out of its labels: it is
	// then applied anew.
	List(ctx context.Context) ([]Registered, error)
	// Apply makes the changes and returns one error (or nil) for each. It may put them into one write or
	// into many, one after the other. The error of an update that found nothing to write is ErrUnchanged.
	Apply(ctx context.Context, changes []Change) []error
	// URL is the address by which a workload calls the service.
	URL(s Service) string
}

// ApplicationOwner is what a Catalog may implement too, where it can make and remove the Application
// that holds the services.
type ApplicationOwner interface {
	// CreateApplication creates the Application and marks it as made by this product. One that exists
	// already is no error.
	CreateApplication(ctx context.Context) error
	// RemoveApplication removes the Application if this product made it and it holds no service any more.
	RemoveApplication(ctx context.Context) (removed bool, err error)
}

// Preparer is what a Catalog may implement too: it does what has to be done first for a service, and can be done
// before all others are known. It is called once at most, between List and Apply, for a change that is going to be
// applied unless another service makes that impossible. What goes wrong does so again in Apply, which reports it.
type Preparer interface {
	Prepare(ctx context.Context, change Change)
}

// WriteCounter is what a Catalog may implement too: it knows how many objects it has made, changed or deleted so
// far. Of any other Catalog, each change that was made counts as one.
type WriteCounter interface {
	Writes() int
}

// Noter is what a Catalog may implement too: it knows what has to be said about the Application as a whole, and about
// services as they are registered, by their id. It is asked once, at the end of a run.
type Noter interface {
	Notes(ctx context.Context, registered []Service) (all []string, each map[string]string)
}

// SpecificationFetcher is what a Catalog may implement too, where the Kyma behind it fetches specifications itself and
// keeps whatever it gets.
type SpecificationFetcher interface {
	FetchesSpecifications()
}

// WriteForeseer is what a Catalog may implement too: it knows, without writing, how many objects Apply would make,
// change or delete. Of any other Catalog, each change is one. An Application that does not exist yet is empty.
type WriteForeseer interface {
	ForeseeWrites(ctx context.Context, changes []Change) (int, error)
}

// DetectedRights is the Detection.What of what this account may not look at: there is one only where it lacks a right.
const DetectedRights = "rights"

// Detection is one thing that was found out about the cluster, and why it is believed.
type Detection struct {
	What  string `json:"what"`
	Value string `json:"value"`
	Why   string `json:"why"`
}
