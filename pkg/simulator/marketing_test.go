package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const odataRoot = "/sap/opu/odata/sap/"

func marketingParams() map[string]string {
	return map[string]string{"system_url": "https://my123456-api.s4hana.ondemand.com", "basic_user": "_KYMA", "basic_password": "pass"}
}

func newMarketing(t *testing.T, changes ...string) (marketing simulator.Channel, url string) {
	t.Helper()
	system, address := newSystem(t, "marketing", with(marketingParams(), changes...))
	require.Contains(t, system.Hosts(), "my123456-api.s4hana.ondemand.com:443")
	return system.(simulator.Channel), address
}

func TestMarketingNeedsItsParameters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"system_url", "basic_user", "basic_password"} {
		refused(t, "marketing", marketingParams(), name, "")
	}
	refused(t, "marketing", marketingParams(), "simulator_enabled", "API_MKT_CONTACT_SRV,API_MKT_FAX_SRV")
}

func TestMarketingHas29Services(t *testing.T) {
	t.Parallel()
	_, url := newMarketing(t)
	services := strings.Fields(`API_MKT_EXPORT_DEFINITION_SRV API_MKT_CONTACT_SRV;v=0002 API_MKT_CAMPAIGN_TEMPLATE_SRV API_MKT_TARGET_GROUP_SRV
		CUAN_BUSINESS_DOCUMENT_IMP_SRV CUAN_OFFER_DISCOVERY_SRV API_MKT_CAMPAIGN_SRV;v=0002 API_MKT_AGREEMENT_SRV API_MKT_INTERACTION_CONTACT_SRV;v=0002
		API_MKT_PRODUCT_SRV;v=0002 API_MKT_INTEREST_SRV API_MKT_PROGRAM_SRV API_MKT_SCORE_SRV CUAN_BUSINESS_PARTNER_IMPORT_SRV API_MKT_PRODCAT_HIERARCHY_SRV
		API_MKT_LANDING_PAGE_VALUEHELP_SRV API_MKT_CORPORATE_ACCOUNT_SRV;v=0002 API_MKT_LOYALTY_SRV_01 API_MKT_COUPON_SRV CUAN_OFFER_IMPORT_SRV CUAN_IMPORT_SRV
		API_MKT_CAMPAIGN_MESSAGE_SRV API_MKT_LANDING_PAGE_SRV API_MKT_CMPGN_SUCCESS_IMPORT_SRV API_MKT_LOCATION_SRV API_MKT_INTERACTION_SRV API_MKT_OFFER_SRV
		API_MKT_EXTERNAL_RECMDN_SRV CUAN_SURVEY_IMPORT_SRV`)
	require.Len(t, services, 29)
	for _, service := range services {
		var document struct{ D struct{ EntitySets []string } }
		got := get(t, url+odataRoot+service+"/", tenantUser, "Accept: application/json")
		require.NoError(t, json.Unmarshal([]byte(got.body), &document), service)
		require.NotEmpty(t, document.D.EntitySets, service)
		name, _, _ := strings.Cut(service, ";")
		metadata := get(t, url+odataRoot+service+"/$metadata", tenantUser)
		assert.Contains(t, metadata.body, `Namespace="`+name+`"`)
		wellFormed(t, metadata.body)
		var page struct {
			D struct{ Results []map[string]any }
		}
		got = get(t, url+odataRoot+service+"/"+document.D.EntitySets[0], tenantUser, "Accept: application/json")
		require.NoError(t, json.Unmarshal([]byte(got.body), &page))
		assert.Len(t, page.D.Results, 1, service)
	}
}

// A service without a communication arrangement cannot be told from one that does not exist.
func TestMarketingForbidsWhatIsNotArranged(t *testing.T) {
	t.Parallel()
	_, url := newMarketing(t, "simulator_enabled", "API_MKT_CONTACT_SRV, API_MKT_SCORE_SRV")
	for path, status := range map[string]int{
		"API_MKT_CONTACT_SRV;v=0002/":              200,
		"API_MKT_SCORE_SRV/":                       200,
		"API_MKT_CAMPAIGN_SRV;v=0002/":             403,
		"API_MKT_FAX_SRV/":                         403,
		"API_MKT_CONTACT_SRV/":                     403, // version 1
		"API_MKT_CONTACT_SRV;v=0001/":              403,
		"API_MKT_CONTACT_SRV%3Bv=0002/":            403, // a matrix parameter is not to be escaped
		"API_MKT_CONTACT_SRV;v%3d0002/":            403,
		"API_MKT_CONTACT_SRV;v=0002":               301,
		"API_MKT_CONTACT_SRV;v=0002/Contacts/none": 404,
	} {
		assert.Equal(t, status, get(t, url+odataRoot+path, tenantUser, "Accept: application/json").status, path)
	}
	got := get(t, url+odataRoot+"API_MKT_CAMPAIGN_SRV;v=0002/", tenantUser, "Accept: application/json")
	assert.Contains(t, got.body, "No service found for namespace '', name 'API_MKT_CAMPAIGN_SRV', version '0002'")
	got = get(t, url+odataRoot+"API_MKT_FAX_SRV%3C/", tenantUser)
	assert.Contains(t, got.body, "API_MKT_FAX_SRV&lt;")
	wellFormed(t, got.body)
	assert.Equal(t, 404, get(t, url+"/elsewhere", tenantUser).status)
	assert.Equal(t, 401, get(t, url+odataRoot+"API_MKT_SCORE_SRV/").status)
	assert.Equal(t, 401, get(t, url+odataRoot+"API_MKT_SCORE_SRV/", "Authorization: Basic X0tZTUE6d3Jvbmc=").status)
}

func TestMarketingIsWrittenWithACSRFToken(t *testing.T) {
	t.Parallel()
	system, url := newMarketing(t)
	contacts := url + odataRoot + "API_MKT_CONTACT_SRV;v=0002/Contacts"
	const body = `{"ContactName":"Ada"}`
	got := do(t, request(t, "POST", contacts, body, tenantUser, "Content-Type: application/json"))
	assert.Equal(t, http.StatusForbidden, got.status)
	assert.Equal(t, "Required", got.header.Get("X-Csrf-Token"))

	fetched := get(t, url+odataRoot+"API_MKT_CONTACT_SRV;v=0002/", tenantUser, "X-Csrf-Token: Fetch")
	cookie, _, _ := strings.Cut(fetched.header.Get("Set-Cookie"), ";")
	created := do(t, request(t, "POST", contacts, body, tenantUser, "Content-Type: application/json", "Accept: application/json",
		"X-Csrf-Token: "+fetched.header.Get("X-Csrf-Token"), "Cookie: "+cookie))
	require.Equal(t, http.StatusCreated, created.status, created.body)
	entity := object(t, created.body)["d"].(map[string]any)
	assert.Equal(t, "Ada", entity["ContactName"], "a single entity is not wrapped")
	assert.Regexp(t, `^[0-9a-f-]{36}$`, entity["ContactUUID"])
	assert.Contains(t, created.header.Get("Location"), "API_MKT_CONTACT_SRV;v=0002/Contacts('"+entity["ContactUUID"].(string)+"')", "with the literal version")

	_, err := system.Faults().Add(simulator.Fault{Path: "CONTACT", Status: 502, Times: 1})
	require.NoError(t, err)
	assert.Equal(t, 502, get(t, contacts, tenantUser).status)
	assert.Len(t, system.Calls(), 4)
}
