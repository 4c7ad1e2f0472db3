package registrationtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// Harness gives the contract access to one implementation, with an Application of its own for each test.
type Harness struct {
	// Catalog is a new Catalog on the test's Application, as the given installation has it.
	Catalog func(instance string) registration.Catalog
	// Missing is a Catalog on an Application that does not exist, as the given installation has it.
	Missing func(instance string) registration.Catalog
	// Ownerless says that only plans keep installations apart.
	Ownerless bool
	// Kyma is what surrounds the Catalog; nil where nothing does.
	Kyma *Kyma
}

// The installations of the contract.
const (
	ours   = "default/orders"
	theirs = "other/orders"
)

// The secrets of the contract; none may show up in an error.
var contractSecrets = []secret.Text{secret.New("contract-pa55word"), secret.New("contract-client-s3cret"), secret.New("contract-k3y-value")}

// TestCatalog is the contract of registration.Catalog. setUp is called for each of its tests.
func TestCatalog(t *testing.T, setUp func(t *testing.T) Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Harness){
		"a new Application has no services":             emptyAtFirst,
		"what is created is listed":                     createdIsListed,
		"each kind of service and credentials is taken": takesEveryKind,
		"an update replaces":                            updateReplaces,
		"a deleted service is gone":                     deletedIsGone,
		"deleting what is gone is no error":             deletesTwice,
		"applying is what a plan waits for":             converges,
		"other owners keep their services":              leavesOthersAlone,
		"no change, no service":                         appliesNothing,
		"a bad change spoils no other":                  badChangeAlone,
		"a missing Application is an error of its own":  missingApplication,
		"an ended context ends the work":                endedContext,
		"every service has an address":                  addresses,
		"many services go in one call":                  manyServices,
		"two installations register the same API":       sameAPITwice,
		"an update of nothing changes nothing":          updateOfNothing,
		"only the credentials changed":                  rotation,
		"no address may hold credentials":               credentialsInAddresses,
		"another owner's service is not taken":          foreignDeletion,
		"writes are counted":                            countsWrites,
		"an Application of one's own":                   ownApplication,
		"writes can be foreseen":                        foreseesWrites,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setUp(t))
		})
	}
	for name, test := range kymaTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if h := setUp(t); h.Kyma != nil {
				test(t, h, h.Kyma)
			}
		})
	}
}

// ExampleService is a complete service, as an installation would register its API of that name.
func ExampleService(instance, api string) registration.Service {
	return registration.Service{
		ID:          uuid.NewSHA1(uuid.NameSpaceURL, []byte(instance+"/"+api)).String(),
		Identifier:  instance + "/" + api,
		DisplayName: "Shop of " + instance + " - " + api,
		Provider:    "Acme",
		Description: "Sells things.",
		Labels: map[string]string{
			registration.LabelInstance: instance, registration.LabelConnector: "shop", registration.LabelHash: "hash-1",
		},
		API: &registration.API{
			Kind:          connector.KindOpenAPI,
			TargetURL:     "https://shop.example.com/" + api,
			Specification: registration.Inline(json.RawMessage(`{"openapi":"3.0.0","info":{"title":"Shop","version":"v1"},"paths":{}}`)),
			Credentials:   registration.Credentials{Basic: &registration.BasicCredentials{Username: "user", Password: contractSecrets[0]}},
			CSRFTokenURL:  "https://shop.example.com/" + api + "/",
		},
	}
}

func create(s registration.Service) registration.Change {
	return registration.Change{Action: registration.Create, Service: &s}
}

func apply(t *testing.T, c registration.Catalog, changes ...registration.Change) {
	t.Helper()
	errs := c.Apply(t.Context(), changes)
	require.Len(t, errs, len(changes), "one result for each change")
	for i, err := range errs {
		require.NoError(t, err, "change %d", i)
	}
}

func list(t *testing.T, c registration.Catalog) []registration.Registered {
	t.Helper()
	services, err := c.List(t.Context())
	require.NoError(t, err)
	return services
}

// find returns the registered form of a service.
func find(t *testing.T, c registration.Catalog, s registration.Service) registration.Registered {
	t.Helper()
	services := list(t, c)
	i := slices.IndexFunc(services, func(r registration.Registered) bool { return r.ID == s.ID || r.Identifier == s.Identifier })
	require.GreaterOrEqual(t, i, 0, "%s is not among %+v", s.DisplayName, services)
	return services[i]
}

// assertListed checks that what List returns is enough for the next plan.
func assertListed(t *testing.T, c registration.Catalog, s registration.Service) {
	t.Helper()
	r := find(t, c, s)
	assert.NotEmpty(t, r.ID)
	assert.Equal(t, s.DisplayName, r.DisplayName)
	for name, value := range s.Labels {
		assert.Equal(t, value, r.Labels[name], "label %s", name)
	}
}

func emptyAtFirst(t *testing.T, h Harness) {
	assert.Empty(t, list(t, h.Catalog(ours)))
	assert.NotEmpty(t, h.Catalog(ours).Name())
}

func createdIsListed(t *testing.T, h Harness) {
	s := ExampleService(ours, "orders")
	apply(t, h.Catalog(ours), create(s))
	assertListed(t, h.Catalog(ours), s)
	assert.Len(t, list(t, h.Catalog(ours)), 1)
}

// everyKind is one service of each kind and with each way to sign in.
func everyKind() []registration.Service {
	with := func(api string, change func(*registration.Service)) registration.Service {
		s := ExampleService(ours, api)
		change(&s)
		return s
	}
	texts := func(i int) []secret.Text { return []secret.Text{contractSecrets[i]} }
	return []registration.Service{
		with("rest", func(s *registration.Service) {
			s.API = &registration.API{Kind: connector.KindREST, TargetURL: "https://shop.example.com/rest"}
		}),
		with("basic", func(*registration.Service) {}),
		with("oauth", func(s *registration.Service) {
			s.API.Credentials = registration.Credentials{OAuth: &registration.OAuthCredentials{
				TokenURL: "https://shop.example.com/token", ClientID: "client", ClientSecret: contractSecrets[1],
				Headers: map[string][]secret.Text{"X-Tenant": texts(2)}, Query: map[string][]secret.Text{"scope": texts(2)},
			}}
		}),
		with("parameters", func(s *registration.Service) {
			s.API.Credentials = registration.Credentials{}
			s.API.CSRFTokenURL = ""
			s.API.Headers = map[string][]secret.Text{"X-Api-Key": texts(2)}
			s.API.Query = map[string][]secret.Text{"key": texts(2)}
		}),
		with("shared-1", func(s *registration.Service) { s.API.SecretName = "system" }),
		with("shared-2", func(s *registration.Service) { s.API.SecretName = "system" }),
		with("events", func(s *registration.Service) {
			s.API, s.Events = nil, json.RawMessage(`{"asyncapi":"2.0.0","info":{"title":"Events","version":"v1"},"channels":{"Order.Created.v1":{}}}`)
		}),
	}
}

func takesEveryKind(t *testing.T, h Harness) {
	var changes []registration.Change
	for _, s := range everyKind() {
		changes = append(changes, create(s))
	}
	apply(t, h.Catalog(ours), changes...)
	for _, s := range everyKind() {
		assertListed(t, h.Catalog(ours), s)
	}
}

func updateReplaces(t *testing.T, h Harness) {
	s := ExampleService(ours, "orders")
	apply(t, h.Catalog(ours), create(s))
	old := find(t, h.Catalog(ours), s)

	s.DisplayName, s.Description = "Shop - Renamed", "Another description."
	s.Labels = maps.Clone(s.Labels)
	s.Labels[registration.LabelHash] = "hash-2"
	s.API.Credentials = registration.Credentials{}
	s.API.CSRFTokenURL = ""
	apply(t, h.Catalog(ours), registration.Change{Action: registration.Update, Service: &s, Registered: &old})
	assertListed(t, h.Catalog(ours), s)
	assert.Len(t, list(t, h.Catalog(ours)), 1, "nothing is added beside")
}

func deletedIsGone(t *testing.T, h Harness) {
	one, two := ExampleService(ours, "one"), ExampleService(ours, "two")
	apply(t, h.Catalog(ours), create(one), create(two))
	old := find(t, h.Catalog(ours), one)
	apply(t, h.Catalog(ours), registration.Change{Action: registration.Delete, Registered: &old})
	assert.Len(t, list(t, h.Catalog(ours)), 1)
	assertListed(t, h.Catalog(ours), two)
}

func deletesTwice(t *testing.T, h Harness) {
	s := ExampleService(ours, "orders")
	apply(t, h.Catalog(ours), create(s))
	old := find(t, h.Catalog(ours), s)
	apply(t, h.Catalog(ours), registration.Change{Action: registration.Delete, Registered: &old})
	apply(t, h.Catalog(ours), registration.Change{Action: registration.Delete, Registered: &old})
	assert.Empty(t, list(t, h.Catalog(ours)))
}

func converges(t *testing.T, h Harness) {
	desired := everyKind()
	plan := func() registration.Plan {
		return registration.MakePlan(registration.PlanInput{
			Instance: ours, Policy: registration.Sync, Current: list(t, h.Catalog(ours)),
			Desired: registration.Desired{Services: desired}, Before: digests(desired), After: digests(desired),
		})
	}
	first := plan()
	require.Len(t, first.Steps, len(desired))
	changes := make([]registration.Change, len(first.Steps))
	for i, step := range first.Steps {
		changes[i] = step.Change
	}
	apply(t, h.Catalog(ours), changes...)
	second := plan()
	assert.Empty(t, second.Steps)
	assert.Len(t, second.Unchanged, len(desired))
}

// digests stands for a state in which no credentials changed.
func digests(services []registration.Service) map[string]string {
	out := map[string]string{}
	for _, s := range services {
		out[s.ID] = "same"
	}
	return out
}

func leavesOthersAlone(t *testing.T, h Harness) {
	mine, foreign := ExampleService(ours, "orders"), ExampleService(theirs, "orders")
	apply(t, h.Catalog(theirs), create(foreign))
	apply(t, h.Catalog(ours), create(mine))
	assert.Len(t, list(t, h.Catalog(ours)), 2, "all owners are listed")

	old := find(t, h.Catalog(ours), mine)
	mine.Description = "Changed."
	apply(t, h.Catalog(ours), registration.Change{Action: registration.Update, Service: &mine, Registered: &old})
	assertListed(t, h.Catalog(theirs), foreign)

	old = find(t, h.Catalog(ours), mine)
	apply(t, h.Catalog(ours), registration.Change{Action: registration.Delete, Registered: &old})
	assertListed(t, h.Catalog(theirs), foreign)
	assert.Len(t, list(t, h.Catalog(theirs)), 1)
}

func appliesNothing(t *testing.T, h Harness) {
	apply(t, h.Catalog(ours))
	assert.Empty(t, list(t, h.Catalog(ours)))
}

func badChangeAlone(t *testing.T, h Harness) {
	good, bad := ExampleService(ours, "good"), ExampleService(ours, "bad")
	bad.API.TargetURL = "no URL"
	errs := h.Catalog(ours).Apply(t.Context(), []registration.Change{create(bad), create(good)})
	require.Len(t, errs, 2)
	assert.NoError(t, errs[1])
	var config *registration.ConfigError
	require.ErrorAs(t, errs[0], &config, "a repetition does not cure it")
	secrettest.AssertNoLeak(t, errs[0].Error(), contractSecrets...)
	assertListed(t, h.Catalog(ours), good)
	assert.Len(t, list(t, h.Catalog(ours)), 1)
}

func missingApplication(t *testing.T, h Harness) {
	c := h.Missing(ours)
	_, err := c.List(t.Context())
	require.ErrorIs(t, err, registration.ErrNoApplication)
	errs := c.Apply(t.Context(), []registration.Change{create(ExampleService(ours, "orders"))})
	require.Len(t, errs, 1)
	assert.Error(t, errs[0])
}

func endedContext(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Catalog(ours).List(ctx)
	assert.Error(t, err)
	errs := h.Catalog(ours).Apply(ctx, []registration.Change{create(ExampleService(ours, "orders"))})
	require.Len(t, errs, 1)
	require.Error(t, errs[0])
	secrettest.AssertNoLeak(t, errs[0].Error(), contractSecrets...)
	assert.Empty(t, list(t, h.Catalog(ours)))
}

func addresses(t *testing.T, h Harness) {
	s, c := ExampleService(ours, "orders"), h.Catalog(ours)
	apply(t, c, create(s))
	assert.True(t, strings.HasPrefix(c.URL(s), "http"), "the address is known at the latest when the service is applied: %q", c.URL(s))
	other := h.Catalog(ours)
	list(t, other)
	assert.Equal(t, c.URL(s), other.URL(s), "or listed")
}

func manyServices(t *testing.T, h Harness) {
	var changes []registration.Change
	for i := range 25 {
		changes = append(changes, create(ExampleService(ours, fmt.Sprintf("api-%d", i))))
	}
	apply(t, h.Catalog(ours), changes...)
	assert.Len(t, list(t, h.Catalog(ours)), 25)
}

// accepted wants each change to be made, or found made.
func accepted(t *testing.T, errs []error) {
	t.Helper()
	for i, err := range errs {
		if !errors.Is(err, registration.ErrUnchanged) {
			require.NoError(t, err, "change %d", i)
		}
	}
}

func updateOfNothing(t *testing.T, h Harness) {
	s := ExampleService(ours, "orders")
	apply(t, h.Catalog(ours), create(s))
	old := find(t, h.Catalog(ours), s)
	accepted(t, h.Catalog(ours).Apply(t.Context(), []registration.Change{{Action: registration.Update, Service: &s, Registered: &old}}))
	assert.Equal(t, old, find(t, h.Catalog(ours), s))
}

func rotation(t *testing.T, h Harness) {
	for _, s := range everyKind() {
		if s.API == nil || s.API.Credentials == (registration.Credentials{}) {
			continue
		}
		apply(t, h.Catalog(ours), create(s))
		old := find(t, h.Catalog(ours), s)
		api := *s.API
		if api.Credentials.Basic != nil {
			api.Credentials.Basic = &registration.BasicCredentials{Username: "other", Password: secret.New("other-pa55word")}
		} else {
			changed := *api.Credentials.OAuth
			changed.ClientSecret = secret.New("other-s3cret")
			api.Credentials.OAuth = &changed
		}
		api.SecretName = s.DisplayName[len(s.DisplayName)-5:] // no longer shared
		s.API = &api
		apply(t, h.Catalog(ours), registration.Change{Action: registration.Update, Service: &s, Registered: &old})
		assertListed(t, h.Catalog(ours), s)
		assert.Equal(t, old.ID, find(t, h.Catalog(ours), s).ID)
	}
}

func credentialsInAddresses(t *testing.T, h Harness) {
	for name, change := range map[string]func(*registration.API, string){
		"target":        func(a *registration.API, address string) { a.TargetURL = address },
		"specification": func(a *registration.API, address string) { a.Specification, a.SpecificationURL = nil, address },
		"CSRF token":    func(a *registration.API, address string) { a.CSRFTokenURL = address },
	} {
		s := ExampleService(ours, "orders")
		change(s.API, "https://user:"+contractSecrets[0].Reveal()+"@shop.example.com/")
		errs := h.Catalog(ours).Apply(t.Context(), []registration.Change{create(s)})
		var config *registration.ConfigError
		require.ErrorAs(t, errs[0], &config, name)
		secrettest.AssertNoLeak(t, errs[0].Error(), contractSecrets...)
	}
	assert.Empty(t, list(t, h.Catalog(ours)))
}

func foreignDeletion(t *testing.T, h Harness) {
	foreign := ExampleService(theirs, "orders")
	apply(t, h.Catalog(theirs), create(foreign))
	if h.Ownerless {
		return
	}
	old := find(t, h.Catalog(ours), foreign)
	errs := h.Catalog(ours).Apply(t.Context(), []registration.Change{{Action: registration.Delete, Registered: &old}})
	require.Error(t, errs[0])
	assertListed(t, h.Catalog(theirs), foreign)
}

func countsWrites(t *testing.T, h Harness) {
	c := h.Catalog(ours)
	counter, can := c.(registration.WriteCounter)
	require.True(t, can)
	list(t, c)
	before := counter.Writes()
	apply(t, c)
	assert.Equal(t, before, counter.Writes(), "reading is no write")
	apply(t, c, create(ExampleService(ours, "orders")))
	assert.Greater(t, counter.Writes(), before)
}

func foreseesWrites(t *testing.T, h Harness) {
	foresee := func(what string, changes ...registration.Change) {
		t.Helper()
		c := h.Catalog(ours)
		before := c.(registration.WriteCounter).Writes()
		list(t, c)
		planned, err := c.(registration.WriteForeseer).ForeseeWrites(t.Context(), changes)
		require.NoError(t, err, what)
		assert.Equal(t, before, c.(registration.WriteCounter).Writes(), "%s: looking ahead writes nothing", what)
		c = h.Catalog(ours)
		before = c.(registration.WriteCounter).Writes()
		apply(t, c, changes...)
		assert.Equal(t, c.(registration.WriteCounter).Writes()-before, planned, what)
	}
	foresee("nothing")
	desired := everyKind()
	creations := make([]registration.Change, len(desired))
	for i, s := range desired {
		creations[i] = create(s)
	}
	foresee("creations", creations...)
	var updates, deletions []registration.Change
	for _, s := range desired {
		old := find(t, h.Catalog(ours), s)
		s.Labels = maps.Clone(s.Labels)
		s.Labels[registration.LabelHash] = "hash-2"
		updates = append(updates, registration.Change{Action: registration.Update, Service: &s, Registered: &old})
		deletions = append(deletions, registration.Change{Action: registration.Delete, Registered: &old})
	}
	foresee("updates", updates...)
	foresee("deletions", deletions...)
}

func ownApplication(t *testing.T, h Harness) {
	c := h.Missing(ours)
	owner, can := c.(registration.ApplicationOwner)
	if !can {
		return // the Application Registry makes none
	}
	require.NoError(t, owner.CreateApplication(t.Context()))
	require.NoError(t, owner.CreateApplication(t.Context()), "one that exists already is no error")
	assert.Empty(t, list(t, c))
	s := ExampleService(ours, "orders")
	apply(t, c, create(s))
	removed, err := owner.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.False(t, removed, "it is in use")
	old := find(t, c, s)
	apply(t, c, registration.Change{Action: registration.Delete, Registered: &old})
	removed, err = owner.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.True(t, removed)
	_, err = c.List(t.Context())
	assert.ErrorIs(t, err, registration.ErrNoApplication)
}

func sameAPITwice(t *testing.T, h Harness) {
	mine, foreign := ExampleService(ours, "orders"), ExampleService(theirs, "orders")
	apply(t, h.Catalog(ours), create(mine))
	apply(t, h.Catalog(theirs), create(foreign))
	assertListed(t, h.Catalog(ours), mine)
	assertListed(t, h.Catalog(ours), foreign)
}
