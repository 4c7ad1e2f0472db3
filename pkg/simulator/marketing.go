package simulator

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/odata"
)

// marketingRoot is what the paths of all services begin with.
const marketingRoot = "/sap/opu/odata/sap/"

// marketing is a tenant of SAP Marketing Cloud: OData services, of which a communication user may only use
// those of an arrangement, behind Basic auth and CSRF tokens; and a channel that sends events by MQTT.
type marketing struct {
	*marketingEvents
	host     string
	user     string
	password string
	guard    odata.Guard
	services map[string]http.Handler // by name with version; those that are not enabled are missing
	// missing is the status for services without an arrangement.
	missing int
	faults  Faults
	calls   callLog
}

// newMarketing needs system_url, basic_user and basic_password. simulator_enabled names the services of
// which there are arrangements, such as "API_MKT_CONTACT_SRV,API_MKT_CAMPAIGN_SRV"; default is all. simulator_missing=403 or 404 is the answer
// for the others, which could not be verified.
func newMarketing(params map[string]string) (System, error) {
	host, err := hostOf(params["system_url"])
	if err != nil {
		return nil, err
	}
	if err := needed(params, "basic_user", "basic_password"); err != nil {
		return nil, err
	}
	m := &marketing{
		host: host, user: params["basic_user"], password: params["basic_password"], services: map[string]http.Handler{},
		marketingEvents: newMarketingEvents(params["system_url"]),
	}
	missing, err := choiceOf(params, "simulator_missing", "403", "404")
	if err != nil {
		return nil, err
	}
	if m.missing = http.StatusForbidden; missing == "404" {
		m.missing = http.StatusNotFound
	}
	enabled := listOf(params["simulator_enabled"])
	for _, row := range marketingServices() {
		name, _, _ := strings.Cut(row.path, ";")
		if params["simulator_enabled"] != "" && !slices.Contains(enabled, name) {
			continue
		}
		enabled = slices.DeleteFunc(enabled, func(n string) bool { return n == name })
		service, err := row.service(name)
		if err != nil {
			return nil, err
		}
		m.services[row.path] = service.At(marketingRoot + row.path + "/")
	}
	if len(enabled) > 0 {
		return nil, fmt.Errorf("parameter simulator_enabled: there is no service %s", strings.Join(enabled, ", "))
	}
	return m, nil
}

// Hosts implements System.
func (m *marketing) Hosts() map[string]http.Handler {
	handler := m.signedIn(m.guard.Wrap(http.HandlerFunc(m.serveService)))
	return map[string]http.Handler{m.host: part{name: PartAPI, handler: handler, faults: &m.faults, calls: &m.calls}}
}

// Faults implements System.
func (m *marketing) Faults() *Faults { return &m.faults }

// Calls implements System.
func (m *marketing) Calls() []Call { return m.calls.list("") }

// signedIn lets nobody in without the right user and password.
func (m *marketing) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if !same(user, m.user) || !same(password, m.password) {
			w.Header().Set("Www-Authenticate", `Basic realm="SAP NetWeaver Application Server [0M1/100]"`)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("<html><head><title>Logon Error Message</title></head><body>Logon failed</body></html>\n"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// escapedMatrix are matrix parameters that somebody has escaped: they are part of the name then.
var escapedMatrix = regexp.MustCompile(`(?i)%3b|%3d`)

// serveService finds the service by its name with the version, both as they are in the path.
func (m *marketing) serveService(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(r.URL.EscapedPath(), marketingRoot)
	if !ours {
		http.NotFound(w, r)
		return
	}
	name, _, _ := strings.Cut(path, "/")
	service := m.services[name]
	if service == nil || escapedMatrix.MatchString(name) {
		marketingForbidden(w, r, name, m.missing)
		return
	}
	service.ServeHTTP(w, r)
}

// marketingForbidden is the answer for services of which there is no arrangement, and for those that do
// not exist at all: they look the same from outside.
func marketingForbidden(w http.ResponseWriter, r *http.Request, name string, status int) {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	name, parameters, _ := strings.Cut(name, ";")
	version := "0001"
	if v, ok := strings.CutPrefix(parameters, "v="); ok {
		version = v
	}
	text := fmt.Sprintf("No service found for namespace '', name '%s', version '%s'", name, version)
	if strings.Contains(r.Header.Get("Accept"), "json") {
		writeJSON(w, status, map[string]any{"error": map[string]any{"code": "/IWFND/MED/170", "message": map[string]any{"lang": "en", "value": text}}})
		return
	}
	w.Header().Set("Content-Type", "application/xml;charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code>/IWFND/MED/170</code><message xml:lang="en">%s</message></error>`, html.EscapeString(text))
}

// marketingService is one OData service.
type marketingService struct {
	path string // below marketingRoot, with the version as a matrix parameter
	sets string // entity sets
}

// marketingServices are the services of the product. The entity sets of API_MKT_INTEREST_SRV and of the
// two about landing pages could not be verified.
func marketingServices() []marketingService {
	return []marketingService{
		{"API_MKT_EXPORT_DEFINITION_SRV", "ObjectFiles"},
		{"API_MKT_CONTACT_SRV;v=0002", "Contacts ContactOriginData AdditionalIDs MarketingAttributes MarketingPermissions MarketingAreas MarketingLocations AccountTeamMembers"},
		{"API_MKT_CAMPAIGN_TEMPLATE_SRV", "CampaignTemplates AssignedInterests AssignedTargetGroups TeamMembers"},
		{"API_MKT_TARGET_GROUP_SRV", "TargetGroups TargetGroupInteractionContacts"},
		{"CUAN_BUSINESS_DOCUMENT_IMP_SRV", "ImportHeaders BusinessDocuments Companies Persons ProductItems"},
		{"CUAN_OFFER_DISCOVERY_SRV", "Recommendations Results OfferContents Coupons CouponCodes"},
		{"API_MKT_CAMPAIGN_SRV;v=0002", "Campaigns AssignedTargetGroups SpendHeaders SpendItems TeamMembers"},
		{"API_MKT_AGREEMENT_SRV", "Agreements AgreementTerms AgrmtAdditionalExtIDs"},
		{"API_MKT_INTERACTION_CONTACT_SRV;v=0002", "InteractionContacts InteractionContactOriginData AdditionalIDs"},
		{"API_MKT_PRODUCT_SRV;v=0002", "Products ProductNames ProductOriginDataSet ProductCategoryAssignments AdditionalIDs"},
		{"API_MKT_INTEREST_SRV", "Interests"},
		{"API_MKT_PROGRAM_SRV", "Programs ProgramPhases MediaTypeSpends"},
		{"API_MKT_SCORE_SRV", "Scores ScoreModels ScoreTargetObjects ScoreValues"},
		{"CUAN_BUSINESS_PARTNER_IMPORT_SRV", "InteractionContacts MarketingAttributes MarketingAreas"},
		{"API_MKT_PRODCAT_HIERARCHY_SRV", "ProductHierarchies ProductCategories"},
		{"API_MKT_LANDING_PAGE_VALUEHELP_SRV", "LandingPageValueHelps"},
		{"API_MKT_CORPORATE_ACCOUNT_SRV;v=0002", "CorporateAccounts"},
		{"API_MKT_LOYALTY_SRV_01", "LoyaltyPrograms LoyaltyTiers LoyaltyMembers"},
		{"API_MKT_COUPON_SRV", "Coupons CouponCodes CouponCodeUsages CouponTexts"},
		{"CUAN_OFFER_IMPORT_SRV", "Offers ImportHeaders OfferContents"},
		{"CUAN_IMPORT_SRV", "ImportHeaders Interactions Products Interests"},
		{"API_MKT_CAMPAIGN_MESSAGE_SRV", "Messages MessageContents Blocks BlockContents"},
		{"API_MKT_LANDING_PAGE_SRV", "LandingPages"},
		{"API_MKT_CMPGN_SUCCESS_IMPORT_SRV", "Successes"},
		{"API_MKT_LOCATION_SRV", "Locations LocationsOriginData"},
		{"API_MKT_INTERACTION_SRV", "Interactions InteractionProducts InteractionInterests"},
		{"API_MKT_OFFER_SRV", "Offers OfferContents OfferCoupons"},
		{"API_MKT_EXTERNAL_RECMDN_SRV", "ExternalRecommendations RecommendationClusters"},
		{"CUAN_SURVEY_IMPORT_SRV", "SurveySet QuestionSet ChoiceSet AnswerSet SurveyResponseSet"},
	}
}

// service makes the service with one entity in its first set.
func (s marketingService) service(name string) (*odata.Service, error) {
	service := &odata.Service{Name: name, Flat: true}
	for _, set := range strings.Fields(s.sets) {
		entityType := strings.TrimSuffix(strings.TrimSuffix(set, "Set"), "s")
		service.Sets = append(service.Sets, &odata.Set{
			Name: set, EntityType: entityType, Key: entityType + "UUID", NewKey: kube.NewUID,
			Properties: []odata.Property{{Name: entityType + "Name"}, {Name: "LastChangeDateTime", Type: "Edm.DateTimeOffset"}},
		})
	}
	first := service.Sets[0]
	return service, service.Add(first.Name, map[string]any{
		first.Key: "4caad296-e0c5-491e-98ac-0ed118f9474e", first.EntityType + "Name": "The first of the " + first.Name, "LastChangeDateTime": "/Date(1561555691000+0000)/",
	})
}
