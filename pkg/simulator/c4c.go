package simulator

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/odata"
)

// PartAPI is the part of a System that serves its APIs.
const PartAPI = "api"

// c4c is a tenant of SAP Cloud for Customer: OData services behind Basic auth and CSRF tokens, a catalog
// of them, and an event notification consumer.
type c4c struct {
	*c4cEvents
	host     string
	user     string
	password string
	guard    odata.Guard
	services map[string]http.Handler // by path
	faults   Faults
	calls    callLog
}

// newC4C needs system_url, basic_user and basic_password; odata_path is a further path of the main
// service, and simulator_page_size sets the size of a page (the real one is 1000). What could not be verified can be had
// both ways: simulator_paths=both, c4c or byd are the paths of the main service, simulator_catalog=yes or no is
// whether there is a catalog of services.
func newC4C(params map[string]string) (System, error) {
	host, err := hostOf(params["system_url"])
	if err != nil {
		return nil, err
	}
	if params["basic_user"] == "" || params["basic_password"] == "" {
		return nil, errors.New("parameters basic_user and basic_password: both are needed, the simulated tenant lets nobody in without")
	}
	size := 0
	if text := params["simulator_page_size"]; text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 {
			return nil, fmt.Errorf("parameter simulator_page_size: %q is no number above 0", text)
		}
	}
	c := &c4c{host: host, user: params["basic_user"], password: params["basic_password"], c4cEvents: newC4CEvents()}
	paths, err1 := choiceOf(params, "simulator_paths", "both", "c4c", "byd")
	catalog, err2 := choiceOf(params, "simulator_catalog", "yes", "no")
	if err := errors.Join(err1, err2, c.addServices(size, params["odata_path"])); err != nil {
		return nil, err
	}
	for path := range c.services {
		other := paths != "both" && strings.HasPrefix(path, "/sap/") && strings.HasSuffix(path, "/c4codataapi/") && !strings.HasPrefix(path, "/sap/"+paths+"/")
		if other || catalog == "no" && strings.HasSuffix(path, "/odataservicecatalog/") {
			delete(c.services, path)
		}
	}
	return c, nil
}

// addServices makes the OData services: the main one under its names, a custom one, and the catalog.
func (c *c4c) addServices(pageSize int, extraPath string) error {
	main := &odata.Service{Name: "c4codata", PageSize: pageSize, Sets: c4cSets(), Attributes: ` xmlns:c4c="http://www.sap.com/Protocols/C4CData"`}
	custom := &odata.Service{Name: "cust", PageSize: pageSize, Sets: []*odata.Set{{
		Name: "CustomerHealthCollection", EntityType: "CustomerHealth", NewKey: objectID,
		Properties: []odata.Property{{Name: "AccountID"}, {Name: "Score", Type: "Edm.Int32"}, {Name: "Remark"}},
	}}}
	// The names of the catalog's fields could not be verified; they are those the connector expects.
	catalog := &odata.Service{Name: "odataservicecatalog", PageSize: pageSize, Sets: []*odata.Set{{
		Name: "ODataServiceCollection", EntityType: "ODataService", ReadOnly: true,
		Properties: []odata.Property{{Name: "Name"}, {Name: "Description"}, {Name: "ServicePath"}, {Name: "TypeCode"}},
	}}}
	c.services = map[string]http.Handler{
		"/sap/c4c/odata/v1/c4codataapi/":             main.At("/sap/c4c/odata/v1/c4codataapi/"),
		"/sap/byd/odata/v1/c4codataapi/":             main.At("/sap/byd/odata/v1/c4codataapi/"),
		"/sap/c4c/odata/cust/v1/zz_customer_health/": custom.At("/sap/c4c/odata/cust/v1/zz_customer_health/"),
		"/sap/c4c/odata/v1/odataservicecatalog/":     catalog.At("/sap/c4c/odata/v1/odataservicecatalog/"),
	}
	if extraPath != "" {
		path := "/" + strings.Trim(extraPath, "/") + "/"
		c.services[path] = main.At(path)
	}
	return errors.Join(
		main.Add("CorporateAccountCollection",
			map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8A1A01", "AccountID": "10025", "Name": "Digital Plus AG", "CountryCode": "DE"},
			map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8A1A02", "AccountID": "10026", "Name": "Silverstar Wholesale", "CountryCode": "US"},
			map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8A1A03", "AccountID": "10027", "Name": "Porter LLC", "CountryCode": "US"}),
		main.Add("ContactCollection", map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8B2B01", "ContactID": "1000118", "Name": "Frank Sander", "AccountID": "10025"}),
		main.Add("LeadCollection", map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8C3C01", "ID": "4711", "Name": "New printers"}),
		main.Add("OpportunityCollection", map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8D4D01", "ID": "815", "Name": "100 printers"}),
		main.Add("ServiceRequestCollection", map[string]any{"ObjectID": "00163E5FA59C1ED8B3B9643A4B63D2AF", "ID": "1422", "Name": "System issue at Digital Plus AG"}),
		custom.Add("CustomerHealthCollection", map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8E5E01", "AccountID": "10025", "Score": 87, "Remark": "Fine"}),
		catalog.Add("ODataServiceCollection",
			map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8F6F01", "Name": "c4codataapi", "Description": "Cloud for Customer OData API", "ServicePath": "/sap/c4c/odata/v1/c4codataapi/", "TypeCode": "STANDARD"},
			map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8F6F02", "Name": "odataservicecatalog", "Description": "OData Service Catalog", "ServicePath": "/sap/c4c/odata/v1/odataservicecatalog/", "TypeCode": "STANDARD"},
			map[string]any{"ObjectID": "00163E03A0701EE288BE9F7D2C8F6F03", "Name": "zz_customer_health", "Description": "Customer health, a custom service", "ServicePath": "/sap/c4c/odata/cust/v1/zz_customer_health/", "TypeCode": "CUSTOM"}),
	)
}

// c4cSets are the entity sets of the main service: a few of the real 1669.
func c4cSets() []*odata.Set {
	set := func(name, entityType string, properties ...string) *odata.Set {
		s := &odata.Set{Name: name, EntityType: entityType, NewKey: objectID}
		for _, property := range properties {
			p := odata.Property{Name: property}
			if property == "CountryCode" {
				p.Attributes = ` c4c:value-help="CountryCodeCollection"`
			}
			s.Properties = append(s.Properties, p)
		}
		return s
	}
	return []*odata.Set{
		set("CorporateAccountCollection", "CorporateAccount", "AccountID", "Name", "CountryCode"),
		set("ContactCollection", "Contact", "ContactID", "Name", "AccountID"),
		set("IndividualCustomerCollection", "IndividualCustomer", "CustomerID", "Name"),
		set("LeadCollection", "Lead", "ID", "Name"),
		set("OpportunityCollection", "Opportunity", "ID", "Name"),
		set("SalesQuoteCollection", "SalesQuote", "ID", "Name"),
		set("ServiceRequestCollection", "ServiceRequest", "ID", "Name"),
		set("EmployeeCollection", "Employee", "EmployeeID", "Name"),
		set("AppointmentCollection", "Appointment", "ID", "Subject"),
		set("VisitCollection", "Visit", "ID", "Subject"),
		set("TasksCollection", "Tasks", "ID", "Subject"),
		set("PhoneCallCollection", "PhoneCall", "ID", "Subject"),
		set("ProductCollection", "Product", "ProductID", "Description"),
	}
}

// objectID is a new key: 32 hexadecimal digits in capitals.
func objectID() string { return strings.ToUpper(strings.ReplaceAll(kube.NewUID(), "-", "")) }

// Hosts implements System.
func (c *c4c) Hosts() map[string]http.Handler {
	handler := part{name: PartAPI, handler: c.signedIn(c.guard.Wrap(http.HandlerFunc(c.serveService))), faults: &c.faults, calls: &c.calls}
	return map[string]http.Handler{c.host: handler}
}

// Faults implements System.
func (c *c4c) Faults() *Faults { return &c.faults }

// Calls implements System.
func (c *c4c) Calls() []Call { return c.calls.list("") }

// signedIn lets nobody in without the right user and password.
func (c *c4c) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		right := subtle.ConstantTimeCompare([]byte(user), []byte(c.user)) & subtle.ConstantTimeCompare([]byte(password), []byte(c.password))
		if !ok || right != 1 {
			w.Header().Set("Www-Authenticate", `Basic realm="SAP NetWeaver Application Server"`)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("<html><head><title>Logon Error Message</title></head><body>Logon failed</body></html>\n"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *c4c) serveService(w http.ResponseWriter, r *http.Request) {
	for path, service := range c.services {
		if strings.HasPrefix(r.URL.Path+"/", path) {
			service.ServeHTTP(w, r)
			return
		}
	}
	http.NotFound(w, r)
}

// hostOf is the host and port of a URL.
func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("parameter system_url: give an address such as https://host")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
