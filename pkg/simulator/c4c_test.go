package simulator_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const (
	mainService = "/sap/c4c/odata/v1/c4codataapi/"
	tenantUser  = "Authorization: Basic X0tZTUE6cGFzcw==" // _KYMA:pass
)

// newTenant makes a tenant of SAP Cloud for Customer and serves its host.
func newTenant(t *testing.T, more map[string]string) (system simulator.System, url string) {
	t.Helper()
	params := map[string]string{"system_url": "https://my123456.crm.ondemand.com", "basic_user": "_KYMA", "basic_password": "pass"}
	for name, value := range more {
		params[name] = value
	}
	system, err := simulator.NewSystem("c4c", params)
	require.NoError(t, err)
	t.Cleanup(system.Close)
	hosts := system.Hosts()
	require.Contains(t, hosts, "my123456.crm.ondemand.com:443")
	return system, serve(t, hosts["my123456.crm.ondemand.com:443"])
}

func TestSystemsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	_, err := simulator.NewSystem("fax", nil)
	assert.ErrorContains(t, err, `no simulator for system "fax": choose one of c4c`)
	assert.Contains(t, simulator.Systems(), "c4c")
	for want, params := range map[string]map[string]string{
		"system_url":          {"basic_user": "u", "basic_password": "p"},
		"basic_password":      {"system_url": "https://x", "basic_user": "u"},
		"simulator_page_size": {"system_url": "https://x", "basic_user": "u", "basic_password": "p", "simulator_page_size": "none"},
	} {
		_, err := simulator.NewSystem("c4c", params)
		assert.ErrorContains(t, err, want)
	}
}

func TestTheTenantLetsOnlyItsUserIn(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, nil)
	for name, headers := range map[string][]string{
		"nobody":         nil,
		"wrong password": {"Authorization: Basic X0tZTUE6d3Jvbmc="},
		"other scheme":   {"Authorization: Bearer x"},
	} {
		got := get(t, url+mainService, headers...)
		assert.Equal(t, http.StatusUnauthorized, got.status, name)
		assert.Contains(t, got.header.Get("Www-Authenticate"), "Basic", name)
	}
	assert.Equal(t, 200, get(t, url+mainService, tenantUser).status)
	assert.Equal(t, 404, get(t, url+"/sap/c4c/odata/v1/other/", tenantUser).status)
}

func TestServiceDocuments(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, map[string]string{"odata_path": "/custom/path"})
	for _, path := range []string{mainService, "/sap/byd/odata/v1/c4codataapi/", "/custom/path/"} {
		var document struct{ D struct{ EntitySets []string } }
		got := get(t, url+path, tenantUser, "Accept: application/json")
		require.NoError(t, json.Unmarshal([]byte(got.body), &document), path)
		for _, set := range []string{"CorporateAccountCollection", "ContactCollection", "LeadCollection", "OpportunityCollection", "SalesQuoteCollection", "ServiceRequestCollection", "EmployeeCollection", "AppointmentCollection"} {
			assert.Contains(t, document.D.EntitySets, set)
		}
	}
	assert.Contains(t, get(t, url+mainService+"?$format=json", tenantUser).body, `"EntitySets":["CorporateAccountCollection"`)

	atom := get(t, url+mainService, tenantUser)
	assert.Contains(t, atom.header.Get("Content-Type"), "application/atomsvc+xml", "Atom is the default")
	assert.Contains(t, atom.body, `<app:collection href="LeadCollection">`)
	wellFormed(t, atom.body)

	got := get(t, strings.TrimSuffix(url+mainService, "/"), tenantUser)
	assert.Equal(t, 301, got.status, "the slash at the end is needed")
	assert.Equal(t, mainService, got.header.Get("Location"))
}

func wellFormed(t *testing.T, document string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, nil)
	got := get(t, url+mainService+"$metadata", tenantUser)
	assert.Equal(t, 200, got.status)
	assert.Contains(t, got.header.Get("Content-Type"), "application/xml")
	var document struct {
		Version string `xml:"Version,attr"`
		Schema  struct {
			Namespace   string `xml:"Namespace,attr"`
			EntityTypes []struct {
				Name string `xml:"Name,attr"`
				Key  struct {
					Ref struct {
						Name string `xml:"Name,attr"`
					} `xml:"PropertyRef"`
				}
			} `xml:"EntityType"`
			Sets []struct {
				Name string `xml:"Name,attr"`
				Type string `xml:"EntityType,attr"`
			} `xml:"EntityContainer>EntitySet"`
		} `xml:"DataServices>Schema"`
	}
	require.NoError(t, xml.Unmarshal([]byte(got.body), &document))
	assert.Equal(t, "1.0", document.Version)
	assert.Equal(t, "c4codata", document.Schema.Namespace)
	assert.Equal(t, "CorporateAccount", document.Schema.EntityTypes[0].Name)
	assert.Equal(t, "ObjectID", document.Schema.EntityTypes[0].Key.Ref.Name)
	assert.Equal(t, "c4codata.CorporateAccount", document.Schema.Sets[0].Type)
	assert.Contains(t, got.body, `c4c:value-help="CountryCodeCollection"`, "annotations of its own")
}

func TestReadingEntities(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, nil)
	accounts := url + mainService + "CorporateAccountCollection"
	var page struct {
		D struct {
			Results []map[string]any
			Next    string `json:"__next"`
			Count   string `json:"__count"`
		}
	}
	got := get(t, accounts+"?$format=json&$inlinecount=allpages", tenantUser)
	require.NoError(t, json.Unmarshal([]byte(got.body), &page))
	assert.Len(t, page.D.Results, 3)
	assert.Equal(t, "3", page.D.Count)
	assert.Empty(t, page.D.Next)
	assert.Equal(t, "3", get(t, accounts+"/$count", tenantUser).body)

	var single struct {
		D struct{ Results map[string]any }
	}
	got = get(t, accounts+"('00163E03A0701EE288BE9F7D2C8A1A01')", tenantUser, "Accept: application/json")
	require.NoError(t, json.Unmarshal([]byte(got.body), &single), "a single entity is an object in results, unlike elsewhere")
	assert.Equal(t, "Digital Plus AG", single.D.Results["Name"])
	assert.NotEmpty(t, got.header.Get("Etag"))

	for _, path := range []string{accounts, accounts + "('00163E03A0701EE288BE9F7D2C8A1A01')"} {
		atom := get(t, path, tenantUser)
		assert.Contains(t, atom.header.Get("Content-Type"), "application/atom+xml")
		assert.Contains(t, atom.body, "<d:Name>Digital Plus AG</d:Name>")
		wellFormed(t, atom.body)
	}
	for path, status := range map[string]int{
		"CorporateAccountCollection('NONE')": 404,
		"NoSuchCollection":                   404,
		"CorporateAccountCollection('00163E03A0701EE288BE9F7D2C8A1A01')/x": 404,
		"CorporateAccountCollection?$top=x":                                400,
		"CorporateAccountCollection?$filter=Name%20eq%20'x'":               501,
	} {
		got := get(t, url+mainService+path, tenantUser, "Accept: application/json")
		assert.Equal(t, status, got.status, path)
		assert.Contains(t, got.body, `"message":{"lang":"en"`)
		wellFormed(t, get(t, url+mainService+path, tenantUser).body)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, map[string]string{"simulator_page_size": "2"})
	var names []string
	address, pages := url+mainService+"CorporateAccountCollection?$format=json", 0
	for address != "" {
		pages++
		var page struct {
			D struct {
				Results []struct{ Name string }
				Next    string `json:"__next"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(get(t, address, tenantUser).body), &page))
		for _, account := range page.D.Results {
			names = append(names, account.Name)
		}
		address = page.D.Next
		if address != "" {
			assert.Contains(t, address, "$skiptoken=3")
		}
	}
	assert.Equal(t, 2, pages)
	assert.Equal(t, []string{"Digital Plus AG", "Silverstar Wholesale", "Porter LLC"}, names)

	atom := get(t, url+mainService+"CorporateAccountCollection", tenantUser)
	assert.Contains(t, atom.body, `<link rel="next" href="`)
	assert.Contains(t, get(t, url+mainService+"CorporateAccountCollection?$format=json&$top=1&$skip=1", tenantUser).body, "Silverstar")
}

func TestTheServiceCatalogListsWhatCanBeCalled(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, nil)
	var catalog struct {
		D struct {
			Results []struct{ Name, Description, ServicePath string }
		}
	}
	got := get(t, url+"/sap/c4c/odata/v1/odataservicecatalog/ODataServiceCollection?$format=json", tenantUser)
	require.NoError(t, json.Unmarshal([]byte(got.body), &catalog))
	require.Len(t, catalog.D.Results, 3)
	for _, service := range catalog.D.Results {
		assert.NotEmpty(t, service.Description)
		got := get(t, url+service.ServicePath, tenantUser, "Accept: application/json")
		assert.Equal(t, 200, got.status, service.Name)
		assert.Contains(t, got.body, "EntitySets")
	}
	assert.Equal(t, "zz_customer_health", catalog.D.Results[2].Name)
	assert.Contains(t, catalog.D.Results[2].ServicePath, "/cust/v1/", "a custom service")
}

func TestWritesNeedACSRFToken(t *testing.T) {
	t.Parallel()
	_, url := newTenant(t, nil)
	leads := url + mainService + "LeadCollection"
	write := func(method, address, body string, headers ...string) answer {
		return do(t, request(t, method, address, body, append(headers, tenantUser, "Content-Type: application/json", "Accept: application/json")...))
	}
	got := write("POST", leads, `{"Name":"New"}`)
	assert.Equal(t, http.StatusForbidden, got.status)
	assert.Equal(t, "Required", got.header.Get("X-Csrf-Token"))

	fetched := get(t, url+mainService, tenantUser, "X-Csrf-Token: fetch")
	token := "X-Csrf-Token: " + fetched.header.Get("X-Csrf-Token")
	cookie, _, _ := strings.Cut(fetched.header.Get("Set-Cookie"), ";")
	require.NotEmpty(t, cookie)
	assert.Equal(t, 403, write("POST", leads, `{}`, token).status, "the token is bound to the session")
	assert.Equal(t, 403, write("POST", leads, `{}`, "Cookie: "+cookie).status)
	assert.Equal(t, 403, write("POST", leads, `{}`, "Cookie: "+cookie, "X-Csrf-Token: x").status)

	session := []string{token, "Cookie: " + cookie}
	created := write("POST", leads, `{"Name":"New","ObjectID":"MINE"}`, session...)
	require.Equal(t, http.StatusCreated, created.status, created.body)
	lead := url + strings.TrimPrefix(created.header.Get("Location"), url)
	assert.NotContains(t, lead, "MINE", "the key is given by the system")
	assert.Regexp(t, `LeadCollection\('[0-9A-F]{32}'\)$`, lead)

	etag := created.header.Get("Etag")
	changed := write("PATCH", lead, `{"ID":"7"}`, append(session, "If-Match: "+etag)...)
	assert.Equal(t, http.StatusNoContent, changed.status)
	assert.NotEqual(t, etag, changed.header.Get("Etag"))
	assert.Equal(t, http.StatusPreconditionFailed, write("PATCH", lead, `{"ID":"8"}`, append(session, "If-Match: "+etag)...).status)
	assert.Contains(t, get(t, lead+"?$format=json", tenantUser).body, `"Name":"New"`, "PATCH keeps what it does not name")
	assert.Equal(t, 204, write("PUT", lead, `{"ID":"9"}`, session...).status)
	assert.NotContains(t, get(t, lead+"?$format=json", tenantUser).body, "Name", "PUT does not")
	assert.Equal(t, 204, write("DELETE", lead, ``, session...).status)
	assert.Equal(t, 404, get(t, lead, tenantUser).status)

	assert.Equal(t, 400, write("POST", leads, `[]`, session...).status)
	assert.Equal(t, 415, do(t, request(t, "POST", leads, `<entry/>`, append(session, tenantUser, "Content-Type: application/atom+xml")...)).status)
	assert.Equal(t, 405, write("POST", url+"/sap/c4c/odata/v1/odataservicecatalog/ODataServiceCollection", `{}`, session...).status, "the catalog cannot be written")
	assert.Equal(t, 405, write("PATCH", leads, `{}`, session...).status)
}

func TestTheTenantHasFaultsAndRemembersCalls(t *testing.T) {
	t.Parallel()
	system, url := newTenant(t, nil)
	_, err := system.Faults().Add(simulator.Fault{Path: `\$metadata$`, LoginPage: true})
	require.NoError(t, err)
	assert.Contains(t, get(t, url+mainService+"$metadata", tenantUser).body, "<form")
	assert.Equal(t, 200, get(t, url+mainService, tenantUser).status)
	assert.Equal(t, []simulator.Call{
		{Part: simulator.PartAPI, Method: "GET", Path: mainService + "$metadata", Status: 200},
		{Part: simulator.PartAPI, Method: "GET", Path: mainService, Status: 200},
	}, system.Calls())
	assert.Equal(t, 200, get(t, url+"/_faults").status, "the control route needs no user")
}

// receiver takes event notifications.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	bodies []map[string]any
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		user, password, _ := req.BasicAuth()
		var body map[string]any
		switch {
		case user != "c4c" || password != "event-pw" || req.Header.Get("Content-Type") != "application/json":
			w.WriteHeader(http.StatusUnauthorized)
		case json.NewDecoder(req.Body).Decode(&body) != nil:
			w.WriteHeader(http.StatusBadRequest)
		case r.status != 0:
			w.WriteHeader(r.status)
		default:
			r.bodies = append(r.bodies, body)
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) ids(member string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := []string{}
	for _, body := range r.bodies {
		ids = append(ids, body[member].(string))
	}
	return ids
}

func notifier(t *testing.T, c simulator.Consumer) simulator.Notifier {
	t.Helper()
	system, _ := newTenant(t, nil)
	n, ok := system.(simulator.Notifier)
	require.True(t, ok)
	c.Client = nearby()
	if c.User == "" {
		c.User, c.Password = "c4c", "event-pw"
	}
	require.NoError(t, n.Connect(c))
	return n
}

func TestEventNotificationsInBothFormats(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 9, 21, 15, 25, 38, 0, time.UTC)
	fired := simulator.Notification{ID: "fa163e16-4431-1edd-8eb8-351cf99ab8c7", Type: "Ticket.Root.Created", Time: at, Entity: "E", Root: "R", Extra: map[string]any{"Status": "2"}}
	for _, test := range []struct {
		name   string
		legacy bool
		want   string
	}{
		{"as CloudEvent", false, `{"specversion":"1.0","source":"/SIM/sap.c4c/000000000712345678","type":"sap.c4c.Ticket.Root.Created.v1","id":"fa163e16-4431-1edd-8eb8-351cf99ab8c7",
			"time":"2020-09-21T15:25:38Z","datacontenttype":"application/json","data":{"root-entity-id":"R","entity-id":"E","Status":"2"}}`},
		{"as legacy event", true, `{"event-type":"Ticket.Root.Created","event-type-version":"v1","event-id":"fa163e16-4431-1edd-8eb8-351cf99ab8c7","event-time":"2020-09-21T15:25:38Z",
			"data":{"root-entity-id":"R","entity-id":"E","Status":"2"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			n := notifier(t, simulator.Consumer{Endpoint: r.URL + "/c4c", Legacy: test.legacy})
			require.NoError(t, n.Fire(t.Context(), fired))
			r.mu.Lock()
			defer r.mu.Unlock()
			body, err := json.Marshal(r.bodies[0])
			require.NoError(t, err)
			assert.JSONEq(t, test.want, string(body))
			assert.Equal(t, []simulator.Outbound{{ID: fired.ID, Type: fired.Type, State: simulator.Delivered, Attempts: 1, Status: 202}}, n.Monitor())
		})
	}
	t.Run("with what a notification always has", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t)
		n := notifier(t, simulator.Consumer{Endpoint: r.URL})
		require.NoError(t, n.Fire(t.Context(), simulator.Notification{Type: "Account.Root.Updated"}))
		r.mu.Lock()
		defer r.mu.Unlock()
		data := r.bodies[0]["data"].(map[string]any)
		assert.Regexp(t, `^[0-9A-F]{32}$`, data["entity-id"])
		assert.Equal(t, data["entity-id"], data["root-entity-id"])
		assert.Regexp(t, `^[0-9a-f-]{36}$`, r.bodies[0]["id"])
	})
}

func TestNotificationsAreRepeatedUntilTaken(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer(http.StatusServiceUnavailable)
	n := notifier(t, simulator.Consumer{Endpoint: r.URL, RetryAfter: time.Millisecond, MaxAttempts: 1000})
	require.NoError(t, n.Fire(t.Context(), simulator.Notification{ID: "1", Type: "Account.Root.Created"}))
	require.Eventually(t, func() bool { return n.Monitor()[0].Attempts > 2 }, 20*time.Second, time.Millisecond)
	assert.Equal(t, 503, n.Monitor()[0].Status)
	assert.Equal(t, simulator.Waiting, n.Monitor()[0].State)
	r.answer(0)
	require.Eventually(t, func() bool { return n.Monitor()[0].State == simulator.Delivered }, 60*time.Second, time.Millisecond)
	assert.Equal(t, []string{"1"}, r.ids("id"))
}

func TestFailedNotificationsCanBeSentAgainFromTheMonitor(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer(http.StatusUnauthorized)
	n := notifier(t, simulator.Consumer{Endpoint: r.URL, RetryAfter: time.Millisecond, MaxAttempts: 2})
	require.NoError(t, n.Fire(t.Context(), simulator.Notification{ID: "1", Type: "Account.Root.Created"}))
	require.Eventually(t, func() bool { return n.Monitor()[0].State == simulator.Failed }, 20*time.Second, time.Millisecond)
	assert.Equal(t, 2, n.Monitor()[0].Attempts)

	assert.ErrorContains(t, n.Resend(t.Context(), "1"), "status 401")
	r.answer(0)
	require.NoError(t, n.Resend(t.Context(), "1"))
	assert.Equal(t, simulator.Delivered, n.Monitor()[0].State)
	assert.ErrorContains(t, n.Resend(t.Context(), "1"), `no failed event has the id "1"`)
}

func TestNotificationsToNobody(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.Close()
	n := notifier(t, simulator.Consumer{Endpoint: r.URL, MaxAttempts: 1})
	require.NoError(t, n.Fire(t.Context(), simulator.Notification{Type: "Account.Root.Created"}))
	require.Eventually(t, func() bool { return n.Monitor()[0].State == simulator.Failed }, 20*time.Second, time.Millisecond)
	assert.NotEmpty(t, n.Monitor()[0].Error)
	assert.NotContains(t, n.Monitor()[0].Error, "event-pw")
}

func TestDuplicatesAndDisorder(t *testing.T) {
	t.Parallel()
	fire := func(n simulator.Notifier, ids ...string) {
		for _, id := range ids {
			require.NoError(t, n.Fire(t.Context(), simulator.Notification{ID: id, Type: "Account.Root.Created"}))
		}
	}
	t.Run("duplicates", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t)
		fire(notifier(t, simulator.Consumer{Endpoint: r.URL, Duplicates: 2, Legacy: true}), "1", "2")
		assert.Equal(t, []string{"1", "1", "1", "2", "2", "2"}, r.ids("event-id"))
	})
	t.Run("out of order", func(t *testing.T) {
		t.Parallel()
		r := newReceiver(t)
		fire(notifier(t, simulator.Consumer{Endpoint: r.URL, OutOfOrder: true}), "1", "2", "3", "4", "5")
		assert.Equal(t, []string{"2", "1", "4", "3"}, r.ids("id"), "the last one waits for a next")
	})
}

func TestNotificationsThatCannotBeFired(t *testing.T) {
	t.Parallel()
	system, _ := newTenant(t, nil)
	n := system.(simulator.Notifier)
	assert.ErrorContains(t, n.Fire(t.Context(), simulator.Notification{Type: "a.b.c"}), "no consumer is connected")
	assert.ErrorContains(t, n.Connect(simulator.Consumer{Endpoint: "gateway"}), "no http or https URL")
	require.NoError(t, n.Connect(simulator.Consumer{Endpoint: "http://127.0.0.1:1"}))
	assert.ErrorContains(t, n.Fire(t.Context(), simulator.Notification{}), "needs a type")
	assert.ErrorContains(t, n.Fire(t.Context(), simulator.Notification{Type: "a.b.c", Extra: map[string]any{"x": func() {}}}), "cannot be written as JSON")
	n.Close()
	assert.Error(t, n.Fire(t.Context(), simulator.Notification{Type: "a.b.c"}), "it is closed")
}
