package registrationjob

import (
	"context"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/application"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/appregistry"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/detect"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

var backends = []string{detect.Auto, detect.ApplicationRegistry, detect.Application}

// kyma is what a command works with.
type kyma struct {
	catalog registration.Catalog
	state   registration.State
	client  *kube.Client // nil where no cluster is needed
	found   *detect.Result
}

// ownedRegistry is an Application Registry in a cluster where Applications can be made, and looked at.
type ownedRegistry struct {
	*appregistry.Catalog
	*application.Owner

	unseen error // why it is not known who manages the Application
}

// List implements registration.Catalog. The registry does not tell who manages the Application: the cluster does.
func (o *ownedRegistry) List(ctx context.Context) ([]registration.Registered, error) {
	var refused error
	var looking sync.WaitGroup
	looking.Go(func() { o.unseen, refused = o.Refuse(ctx) })
	services, err := o.Catalog.List(ctx)
	looking.Wait()
	if refused != nil {
		return nil, refused
	}
	return services, err
}

// Notes implements registration.Noter.
func (o *ownedRegistry) Notes(ctx context.Context, registered []registration.Service) (all []string, each map[string]string) {
	all, each = o.Catalog.Notes(ctx, registered)
	if o.unseen != nil {
		all = append(all, "whether Compass manages the Application, and would undo what is registered, is not known: "+o.unseen.Error())
	}
	return all, each
}

// unseenRegistry is an Application Registry without a cluster to look at.
type unseenRegistry struct{ *appregistry.Catalog }

// Notes implements registration.Noter.
func (u unseenRegistry) Notes(ctx context.Context, registered []registration.Service) (all []string, each map[string]string) {
	all, each = u.Catalog.Notes(ctx, registered)
	return append(all, "whether Compass manages the Application, and would undo what is registered, is not known without a cluster to look at (--kubeconfig)"), each
}

// Writes implements registration.WriteCounter.
func (o *ownedRegistry) Writes() int { return o.Catalog.Writes() + o.Owner.Writes() }

// newKube connects to the cluster, and settles the namespace.
func (j *job) newKube() (*kube.Client, error) {
	kubeconfig := j.kubeconfig
	if kubeconfig == "" {
		kubeconfig = j.getenv("KUBECONFIG")
	}
	client, err := kube.New(kube.Options{Kubeconfig: kubeconfig, UserAgent: userAgent(), Logger: j.log})
	if err != nil {
		return nil, err
	}
	if j.namespace == "" {
		j.namespace = client.Namespace()
	}
	return client, nil
}

// connect finds out where to register and connects to it. A registry whose address is given works without a
// cluster, as long as nothing else is asked of it. For a removal, only what that needs is looked at.
func (j *job) connect(ctx context.Context, name string, removal bool) (*kyma, error) {
	out := &kyma{}
	var cluster detect.Cluster
	client, err := j.newKube()
	switch {
	case err == nil:
		out.client, cluster = client, client
	case j.registryURL == "" || j.backend == detect.Application || j.stateSecret != "" || j.statusConfigMap != "":
		return nil, err
	}
	if client != nil && j.stateSecret != "" {
		out.state = kube.NewStateStore(client, j.namespace, j.stateSecret, j.labels())
	}
	out.found, err = detect.Run(ctx, cluster, detect.Options{
		Application: name, Backend: j.backend, RegistryURL: j.registryURL, CredentialsNamespace: j.credentialsNamespace,
		GatewayURL: j.gatewayURL, PublishURL: j.publishURL, Subscriptions: j.subscriptionVersion, EventPrefix: j.eventPrefix,
		Removal: removal, HTTP: j.newClusterHTTP(),
	})
	if err != nil {
		return nil, err
	}
	out.catalog, err = j.newCatalog(client, name, out.found)
	return out, err
}

func (j *job) newCatalog(client *kube.Client, name string, found *detect.Result) (registration.Catalog, error) {
	switch found.Backend {
	case detect.None:
		return registration.Nowhere{
			What: "Kyma's Application Connector is not installed",
			Next: "install the Application Connector module; the next run registers them",
		}, nil
	case detect.Application:
		return application.New(application.Options{
			Client: client, Application: name, Instance: j.instance, CredentialsNamespace: found.CredentialsNamespace,
			Gateway: found.Gateway, Parallel: j.parallel, Logger: j.log,
		})
	}
	registry, err := appregistry.New(appregistry.Options{
		URL: found.RegistryURL, Application: name, Instance: j.instance, Gateway: found.Gateway, Logger: j.log,
	})
	switch {
	case err != nil:
		return nil, err
	case client == nil:
		return unseenRegistry{registry}, nil
	}
	return &ownedRegistry{Catalog: registry, Owner: application.NewOwner(client, name)}, nil
}
