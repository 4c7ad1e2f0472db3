// Package connector is the connector definition: the one file that says everything this product knows
// about an external system. Load reads and checks it; the other packages run it.
package connector

import (
	"slices"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// APIVersion and Kind identify a definition file.
const (
	APIVersion = "connectors.kyma-connectors.io/v1alpha1"
	Kind       = "Connector"
)

// Definition is a connector definition (connector.yaml).
type Definition struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	// Parameters are the form fields, by name.
	Parameters map[string]Parameter `json:"parameters"`
	// Application names the Kyma Application that the APIs and events belong to.
	Application Value `json:"application"`
	// Policy is which changes a registration makes where nobody says otherwise: upsert (the default), sync or
	// create-only.
	Policy string `json:"policy,omitempty"`
	// System is the external system: where it is and how it is called.
	System System `json:"system"`
	// APIs lists the system's APIs, or says how to discover them.
	APIs []API `json:"apis,omitempty"`
	// Events is the catalog of the events that the system sends.
	Events *Events `json:"events,omitempty"`
	// Deliveries are the ways in which events arrive.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Webhooks says how to register webhooks at the system. In YAML a single object stands for a list of one.
	Webhooks WebhooksList `json:"webhooks,omitempty" scope:"webhook" secrets:"yes"`
	// Relay is the way out: events from Kyma to the system.
	Relay []Relay `json:"relay,omitempty"`
	// Manual lists what a person has to enter at the system, as text made from the same values.
	Manual []Manual `json:"manual,omitempty" scope:"manual"`

	files      fileReader
	eventTypes []EventType
}

// Metadata names the connector and the product; "<product> - <API name>" is the name in Kyma.
type Metadata struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description,omitempty"`
	Provider    string `json:"provider"`
	Product     string `json:"product"`
}

// ParameterKind says what a parameter's value must look like.
type ParameterKind string

// The parameter kinds.
const (
	KindURL          ParameterKind = "url"          // absolute https URL without credentials, query or fragment
	KindHostname     ParameterKind = "hostname"     // DNS name
	KindText         ParameterKind = "text"         // one line of text
	KindSecret       ParameterKind = "secret"       // text that is never shown
	KindList         ParameterKind = "list"         // list of texts; in forms and files separated by commas or line breaks
	KindResourceName ParameterKind = "resourceName" // name of a Kyma Application
	KindInteger      ParameterKind = "integer"
	KindBoolean      ParameterKind = "boolean"
)

// Parameter is one form field.
type Parameter struct {
	Kind        ParameterKind `json:"kind"`
	Title       string        `json:"title"`
	Description string        `json:"description,omitempty"`
	Required    bool          `json:"required,omitempty"`
	Default     string        `json:"default,omitempty"`
	Example     string        `json:"example,omitempty"`
	// Pattern is an RE2 expression that the whole value must match.
	Pattern string `json:"pattern,omitempty"`
	// Enum lists the allowed values.
	Enum []string `json:"enum,omitempty"`
	// Generate makes a value where the operator leaves the field empty: once, kept across upgrades.
	Generate *Generate `json:"generate,omitempty"`
}

// Generate says how a generated value looks: Prefix and Length random characters from [a-z0-9A-Z].
type Generate struct {
	Prefix string `json:"prefix,omitempty"`
	Length int    `json:"length,omitempty"`
}

// System is the external system.
type System struct {
	URL Value `json:"url"`
	// Auth lists alternatives; the first one whose parameters all have values is used. In YAML a single
	// object stands for a list of one.
	Auth AuthList `json:"auth,omitempty" secrets:"yes"`
}

// Auth is one way to call the system. Exactly one member is set.
type Auth struct {
	None              *NoAuth            `json:"none,omitempty"`
	Basic             *BasicAuth         `json:"basic,omitempty"`
	APIKey            *APIKeyAuth        `json:"apiKey,omitempty"`
	Header            map[string]Value   `json:"header,omitempty"`
	Query             map[string]Value   `json:"query,omitempty"`
	OAuth2            *OAuth2Auth        `json:"oauth2,omitempty"`
	JWT               *JWTAuth           `json:"jwt,omitempty"`
	Signed            *SignedAuth        `json:"signed,omitempty"`
	ClientCertificate *ClientCertificate `json:"clientCertificate,omitempty"`
}

// NoAuth is a call without credentials.
type NoAuth struct{}

// BasicAuth is HTTP Basic.
type BasicAuth struct {
	Username Value `json:"username"`
	Password Value `json:"password"`
}

// APIKeyAuth sends a key in a header or a query parameter.
type APIKeyAuth struct {
	Header string `json:"header,omitempty"`
	Query  string `json:"query,omitempty"`
	Value  Value  `json:"value"`
}

// OAuth2Auth asks a token endpoint for an access token: by the client credentials grant, unless Form has
// another grant_type. That one may do without a client.
type OAuth2Auth struct {
	TokenURL     Value   `json:"tokenUrl"`
	ClientID     Value   `json:"clientId,omitempty"`
	ClientSecret Value   `json:"clientSecret,omitempty"`
	Style        string  `json:"style,omitempty"` // body or basic; default basic
	Scopes       []Value `json:"scopes,omitempty"`
	// Form and Headers are sent to the token endpoint besides.
	Form    map[string]Value `json:"form,omitempty"`
	Headers map[string]Value `json:"headers,omitempty"`
}

// JWTAuth signs a token of one's own for every call.
type JWTAuth struct {
	Algorithm string           `json:"algorithm"` // RS256
	KeyID     Value            `json:"keyId,omitempty"`
	Key       Value            `json:"key"`
	Claims    map[string]Value `json:"claims,omitempty" scope:"claims" kind:"any"`
	// Lifetime sets the claim exp; without it the token has none.
	Lifetime Duration `json:"lifetime,omitempty"`
}

// SignedAuth signs method, URL and query by HMAC-SHA1 and sends the signature as a query parameter.
type SignedAuth struct {
	UserKey Value `json:"userKey"`
	Secret  Value `json:"secret"`
}

// ClientCertificate is mutual TLS.
type ClientCertificate struct {
	Certificate Value `json:"certificate"`
	Key         Value `json:"key"`
}

// APIKind is the kind of an API; it decides how the API is probed and described.
type APIKind string

// The API kinds.
const (
	KindOData   APIKind = "odata"
	KindOpenAPI APIKind = "openapi"
	KindREST    APIKind = "rest"
)

// API is one API, or a discovery of many.
type API struct {
	ID          string  `json:"id,omitempty"`
	Name        Value   `json:"name,omitempty"`
	Description Value   `json:"description,omitempty"`
	Kind        APIKind `json:"kind,omitempty"`
	// Paths are alternatives below the system's URL; the first that answers the probe is taken.
	Paths ValueList `json:"path,omitempty"`
	// CSRF says that writes need a token, fetched by a GET of the API's root.
	CSRF bool `json:"csrf,omitempty"`
	// Auth replaces the system's.
	Auth              AuthList           `json:"auth,omitempty" secrets:"yes"`
	Probe             *Probe             `json:"probe,omitempty"`
	Specification     *Specification     `json:"specification,omitempty"`
	RequestParameters *RequestParameters `json:"requestParameters,omitempty" secrets:"yes"`
	// EntitySets is what an OData service is known to hold, for docs and simulators.
	EntitySets []string `json:"entitySets,omitempty"`
	// WhenDisabled tells the operator how to enable an API that the system does not offer.
	WhenDisabled Value `json:"whenDisabled,omitempty"`
	// Enabled switches the API, or the whole discovery, off where it evaluates to false.
	Enabled Value `json:"enabled,omitempty" scope:"parameters" kind:"bool"`
	// Discover lists APIs from the system; the other fields are then evaluated for each item.
	Discover *Discover `json:"discover,omitempty"`
}

// Probe says how to find out whether an API is there. What is not set follows from the API's kind.
type Probe struct {
	Path    Value            `json:"path,omitempty"`
	Method  string           `json:"method,omitempty"`
	Headers map[string]Value `json:"headers,omitempty"`
	// Metadata asks an OData service for its $metadata, not for its service document.
	Metadata bool `json:"metadata,omitempty"`
	// Status lists the answers that mean "there"; default 200.
	Status []int `json:"status,omitempty"`
	// Expect is an expression over status and response(path).
	Expect Value `json:"expect,omitempty" scope:"response" kind:"bool"`
}

// Specification is the document that describes an API. Exactly one member is set.
type Specification struct {
	File     string `json:"file,omitempty"`     // beside the definition
	URL      Value  `json:"url,omitempty"`      // public
	Path     Value  `json:"path,omitempty"`     // at the system, with its credentials
	Metadata bool   `json:"metadata,omitempty"` // OData $metadata
}

// RequestParameters are added to each call that a workload makes through Kyma. Kyma keeps them in a Secret.
type RequestParameters struct {
	Headers map[string]Value `json:"headers,omitempty"`
	Query   map[string]Value `json:"query,omitempty"`
}

// Discover lists APIs from the system.
type Discover struct {
	Get Value `json:"get" scope:"parameters"`
	// Query are query parameters; a list is sent as one parameter for each of its items.
	Query map[string]Value `json:"query,omitempty" scope:"parameters" kind:"list"`
	// Items is the gjson path of the list; Next that of the URL of the next page.
	Items string `json:"items,omitempty"`
	Next  string `json:"next,omitempty"`
	// ID identifies an item for ever; Include leaves out those for which it is false.
	ID      Value `json:"id"`
	Include Value `json:"include,omitempty" kind:"bool"`
	// Optional: a system without this listing is no failure.
	Optional bool `json:"optional,omitempty"`
	// Limit bounds the number of items; default 1000.
	Limit int `json:"limit,omitempty"`
}

// Events is the event catalog.
type Events struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Catalog is an AsyncAPI 2 document beside the definition; one channel per event type, named
	// "<type>.<version>".
	Catalog string `json:"catalog"`
	// Validate says what the gateway does with an event whose payload is not what the catalog says, where the
	// operator does not: off (do not look; the default), warn (count and log it) or reject.
	Validate string `json:"validate,omitempty"`
}

// The values of Events.Validate.
const (
	ValidateOff    = "off"
	ValidateWarn   = "warn"
	ValidateReject = "reject"
)

// Delivery is one way in. HTTP or MQTT is set.
type Delivery struct {
	Name   string         `json:"name"`
	HTTP   *HTTP          `json:"http,omitempty"`
	MQTT   *MQTT          `json:"mqtt,omitempty" scope:"parameters"`
	Token  *TokenEndpoint `json:"token,omitempty" scope:"parameters" secrets:"yes"`
	Verify Verify         `json:"verify" scope:"delivery" secrets:"yes"`
	// Content selects the part of the delivery that body() reads; default the body.
	Content Value `json:"content,omitempty" scope:"delivery"`
	// Split is the gjson path of an array in the content; each element is one event. "@this" is the content
	// itself, "[@this]|@flatten" a content that is an array or a single element.
	Split string `json:"split,omitempty"`
	// Ignore: acknowledged without an event (pings). Reject: malformed or forged.
	Ignore Value `json:"ignore,omitempty" kind:"bool"`
	Reject Value `json:"reject,omitempty" scope:"event" kind:"bool"`
	// Types maps to event types; the first match wins. Without it, Event.Type says the type.
	Types []TypeRule   `json:"types,omitempty"`
	Event EventMapping `json:"event"`
	// Unknown says what becomes of an event whose type is unknown, where the buffer can keep it: deadLetter (the
	// sender hears that it was taken; the default by MQTT, where nobody hears of a refusal) or refuse (nothing is
	// kept). Without it, by HTTP, the sender hears of the refusal and a dead letter is kept.
	Unknown string `json:"unknown,omitempty"`
	// OrderBy keeps the order of events with the same key.
	OrderBy Value `json:"orderBy,omitempty" scope:"event"`
	// Respond overrides status codes by outcome: accepted, duplicate, ignored, unknown.
	Respond map[string]int `json:"respond,omitempty"`
}

// HTTP is a webhook.
type HTTP struct {
	// Path is where deliveries arrive; deliveries below it belong to it too where Subpaths is set.
	Path     string `json:"path"`
	Subpaths bool   `json:"subpaths,omitempty"`
	// Accepts lists content types: json, form, cloudevents, any. Default json. With cloudevents, each event of
	// a batch (application/cloudevents-batch+json) is mapped as if it had come alone.
	Accepts []string `json:"accepts,omitempty"`
	// MaxBody is a Kubernetes quantity in bytes, such as 256KiB; default 64KiB.
	MaxBody Size `json:"maxBody,omitempty"`
	// AnswerGet is the status of a GET, for systems that check the address; 0 means 405.
	AnswerGet int `json:"answerGet,omitempty"`
	// OpenAPI "publish" serves a description of the webhook at <path>/openapi.json.
	OpenAPI string `json:"openapi,omitempty"`
}

// MQTT is MQTT 3.1.1 over WebSocket; the system is the client.
type MQTT struct {
	// Host is where the system connects to; every path on it will do.
	Host Value `json:"host"`
	// QoS lists the qualities of service that are taken; default all. A message of another one ends the
	// connection.
	QoS []int `json:"qos,omitempty"`
	// MaxPacket bounds a message with its topic, in bytes; default 256KiB.
	MaxPacket Size `json:"maxPacket,omitempty"`
}

// TokenEndpoint issues bearer tokens by client credentials for the MQTT upgrade.
type TokenEndpoint struct {
	Host   Value       `json:"host"`
	Path   string      `json:"path"`
	Client TokenClient `json:"client"`
	// SigningKeys sign the tokens: the first signs, all of them are accepted, so that a key can be changed
	// without ending anybody's session. They need at least 32 bytes and must not be the client's secret.
	SigningKeys ValueList `json:"signingKey"`
	// Lifetime is how long a token is good for, and a connection that was opened with it; from 1m to 24h,
	// default 1h.
	Lifetime Duration `json:"lifetime,omitempty"`
}

// TokenClient are the credentials of the token endpoint's client.
type TokenClient struct {
	ID Value `json:"id"`
	// Secrets are the secrets that are accepted: several while one takes the place of another.
	Secrets ValueList `json:"secret"`
}

// Verify says how a delivery proves who sent it. Exactly one member is set.
type Verify struct {
	Basic            *VerifyBasic            `json:"basic,omitempty"`
	Bearer           *VerifyBearer           `json:"bearer,omitempty"`
	JWT              *VerifyJWT              `json:"jwt,omitempty"`
	HMAC             *VerifyHMAC             `json:"hmac,omitempty"`
	StandardWebhooks *VerifyStandardWebhooks `json:"standardWebhooks,omitempty"`
	PathToken        *VerifyPathToken        `json:"pathToken,omitempty"`
	// Token accepts what the delivery's own token endpoint issued.
	Token *VerifyToken `json:"token,omitempty"`
	// AnyOf lists schemes of which any one is enough, for senders that cannot all do the same.
	AnyOf []Proof `json:"anyOf,omitempty"`
}

// Proof is one scheme of several. Exactly one member is set.
type Proof struct {
	Basic            *VerifyBasic            `json:"basic,omitempty"`
	Bearer           *VerifyBearer           `json:"bearer,omitempty"`
	HMAC             *VerifyHMAC             `json:"hmac,omitempty"`
	StandardWebhooks *VerifyStandardWebhooks `json:"standardWebhooks,omitempty"`
	PathToken        *VerifyPathToken        `json:"pathToken,omitempty"`
}

// Schemes are the schemes of which one has to accept a delivery: those of AnyOf, or the only one.
func (v Verify) Schemes() []Verify {
	if len(v.AnyOf) == 0 {
		return []Verify{v}
	}
	schemes := make([]Verify, len(v.AnyOf))
	for i, p := range v.AnyOf {
		schemes[i] = Verify{Basic: p.Basic, Bearer: p.Bearer, HMAC: p.HMAC, StandardWebhooks: p.StandardWebhooks, PathToken: p.PathToken}
	}
	return schemes
}

// TokenInPath says whether a segment of the path proves the sender.
func (v Verify) TokenInPath() bool {
	return slices.ContainsFunc(v.Schemes(), func(s Verify) bool { return s.PathToken != nil })
}

// VerifyBasic is HTTP Basic.
type VerifyBasic struct {
	Username Value `json:"username"`
	Password Value `json:"password"`
}

// VerifyBearer compares a bearer token.
type VerifyBearer struct {
	Tokens []Value `json:"tokens"`
}

// VerifyJWT checks a signed token against a JWKS.
type VerifyJWT struct {
	Issuer   Value  `json:"issuer"`
	Audience Value  `json:"audience"`
	JWKS     Value  `json:"jwks"`
	Header   string `json:"header,omitempty"`
}

// VerifyHMAC checks a keyed digest.
type VerifyHMAC struct {
	Algorithm string  `json:"algorithm"` // sha1, sha256, sha512
	Encoding  string  `json:"encoding"`  // hex, base64
	Prefix    string  `json:"prefix,omitempty"`
	Keys      []Value `json:"keys"`
	Message   Value   `json:"message"`
	Signature Value   `json:"signature"`
	// Timestamp (seconds) and Tolerance make a replay window.
	Timestamp Value    `json:"timestamp,omitempty"`
	Tolerance Duration `json:"tolerance,omitempty"`
}

// VerifyStandardWebhooks is the Standard Webhooks v1 scheme.
type VerifyStandardWebhooks struct {
	Secrets   []Value  `json:"secrets"`
	Tolerance Duration `json:"tolerance,omitempty"`
}

// VerifyPathToken is an unguessable path segment after the delivery's path.
type VerifyPathToken struct {
	Tokens []Value `json:"tokens"`
}

// VerifyToken accepts the tokens of the delivery's own token endpoint.
type VerifyToken struct{}

// TypeRule maps deliveries for which When holds to an event type.
type TypeRule struct {
	When Value  `json:"when" kind:"bool"`
	Type string `json:"type"`
	// Topic is what the system calls it when a webhook is registered.
	Topic string `json:"topic,omitempty"`
}

// EventMapping makes the event. ID and type must not be empty.
type EventMapping struct {
	Type    Value `json:"type,omitempty"`
	Version Value `json:"version,omitempty" scope:"event"`
	ID      Value `json:"id" scope:"event"`
	Source  Value `json:"source,omitempty" scope:"event"`
	Subject Value `json:"subject,omitempty" scope:"event"`
	Time    Value `json:"time,omitempty" scope:"event"`
	// Data is any JSON value; content, json(path) and itemJSON(path) pass the document on as it came.
	Data Value `json:"data" scope:"event" kind:"any"`
	// DataContentType defaults to application/json.
	DataContentType Value `json:"dataContentType,omitempty" scope:"event"`
}

// Webhooks says how webhooks are managed at the system. A webhook belongs to the installation whose address
// it calls. In its calls, callback is that address, label a text that names the installation, topic what the
// webhook asks for (several joined by commas), id the webhook's id and item() the discovered API.
type Webhooks struct {
	// Name tells several apart.
	Name string `json:"name,omitempty"`
	// Enabled switches self-registration off where it evaluates to false.
	Enabled Value `json:"enabled,omitempty" scope:"parameters" kind:"bool"`
	// First makes these webhooks before the APIs are registered, for what brings an API with it.
	First bool `json:"first,omitempty"`
	// Delivery names the delivery that the system is to call; needed where there are several.
	Delivery string `json:"delivery,omitempty"`
	// Mode is static (all topics; the default) or dynamic (those whose event types some Subscription wants).
	Mode Value `json:"mode,omitempty" scope:"parameters"`
	// Each is empty (one webhook for each topic), "all" (one for all topics) or "instance" (one for each
	// discovered API).
	Each string `json:"each,omitempty"`
	// Topics are what a webhook may ask for; default: the topics of the delivery's types.
	Topics []WebhookTopic `json:"topics,omitempty"`
	// List finds the webhooks that are there: all of them or, with each "instance", those of one instance.
	List   *ListCall   `json:"list,omitempty"`
	Create *CreateCall `json:"create"`
	// Update changes a webhook. Without it, one that has to change is made anew: first the new one, then the
	// old one is deleted.
	Update *Call `json:"update,omitempty"`
	Delete *Call `json:"delete,omitempty"`
	// Resume has the system send again what it could not deliver.
	Resume *Resume `json:"resume,omitempty"`
	// CatchUp fetches events that the system could not deliver, and delivers them in its place.
	CatchUp *CatchUp `json:"catchUp,omitempty"`
	// RecreateWhen names parameters whose change needs a new webhook even where there is an update.
	RecreateWhen []string `json:"recreateWhen,omitempty"`
	// Grace is how long nobody wants the events of a webhook before dynamic mode removes it; default 1h.
	Grace Duration `json:"grace,omitempty"`
}

// The values of Webhooks.Mode and Webhooks.Each.
const (
	ModeStatic   = "static"
	ModeDynamic  = "dynamic"
	EachTopic    = ""
	EachAll      = "all"
	EachInstance = "instance"
)

// WebhookTopic is one thing that a webhook may ask for.
type WebhookTopic struct {
	// Topic is the system's name for it.
	Topic string `json:"topic"`
	// Types are the event types that it brings, without versions; an asterisk at the end stands for any ending.
	Types []string `json:"types,omitempty"`
	// Enabled leaves the topic out where it evaluates to false.
	Enabled Value `json:"enabled,omitempty" scope:"parameters" kind:"bool"`
}

// Call is one request to the system. Exactly one of the methods is set; its value is the path.
type Call struct {
	Get     Value            `json:"get,omitempty"`
	Post    Value            `json:"post,omitempty"`
	Put     Value            `json:"put,omitempty"`
	Patch   Value            `json:"patch,omitempty"`
	Delete  Value            `json:"delete,omitempty"`
	Query   map[string]Value `json:"query,omitempty" kind:"list"`
	Headers map[string]Value `json:"headers,omitempty"`
	JSON    *Template        `json:"json,omitempty"`
	Form    map[string]Value `json:"form,omitempty"`
}

// ListCall lists webhooks. Items and Next are gjson paths: of the list, and of the next page's URL, for which a
// Link header is taken otherwise.
type ListCall struct {
	Call
	Items string `json:"items,omitempty"`
	Next  string `json:"next,omitempty"`
	// ID, Callback, Topic and Label are gjson paths within an item, or expressions over item(). A topic may be
	// a list of texts.
	ID       Value `json:"id"`
	Callback Value `json:"callback,omitempty"`
	Topic    Value `json:"topic,omitempty"`
	// Label finds what Create wrote as label: a webhook without it belongs to somebody else, whatever its
	// callback. Without a callback, the label alone decides.
	Label Value `json:"label,omitempty"`
	// Active says whether a webhook works; one that does not is updated, or made anew.
	Active Value `json:"active,omitempty" kind:"bool"`
}

// Resume has the system send again what it could not deliver. Where its calls read id, they are made for each
// webhook, otherwise once.
type Resume struct {
	List ResumeList `json:"list"`
	// Call is made where the list is not empty: once or, with each "item", for every item.
	Call Call   `json:"call"`
	Each string `json:"each,omitempty"`
}

// EachItem is a value of Resume.Each.
const EachItem = "item"

// ResumeList lists deliveries. Items and Next are as in ListCall.
type ResumeList struct {
	Call
	Items string `json:"items,omitempty"`
	Next  string `json:"next,omitempty"`
	// Failed says whether a delivery has to be sent again; default: every one that is listed.
	Failed Value `json:"failed,omitempty" kind:"bool"`
	// Group is a gjson path of, or an expression over, what the attempts of one delivery have in common: the first that
	// is listed counts.
	Group Value `json:"group,omitempty"`
	// Limit bounds the items that are looked at; default 1000.
	Limit int `json:"limit,omitempty"`
}

// CatchUp fetches, with every run, what the system could not deliver while nobody answered, and posts it to the
// delivery's address as the system would have: verified, mapped and de-duplicated like everything else. What was
// posted once is on record, as are the events that were there before the webhook. It is made for each webhook.
type CatchUp struct {
	// Enabled switches it off where it evaluates to false.
	Enabled Value       `json:"enabled,omitempty" scope:"parameters" kind:"bool"`
	List    CatchUpList `json:"list"`
	// Headers and JSON are the delivery made from an item. It is signed as the delivery's first scheme wants it:
	// an HMAC of rawBody in a header, or HTTP Basic.
	Headers map[string]Value `json:"headers,omitempty"`
	JSON    *Template        `json:"json"`
}

// CatchUpList lists events. Items and Next are as in ListCall.
type CatchUpList struct {
	Call
	Items string `json:"items,omitempty"`
	Next  string `json:"next,omitempty"`
	// ID is a gjson path of, or an expression over, what identifies an event.
	ID Value `json:"id"`
	// Undelivered says whether an event was not delivered; default: every one that is listed.
	Undelivered Value `json:"undelivered,omitempty" kind:"bool"`
	// OrderBy is what events are sorted by before they are posted, as text; default: as they are listed.
	OrderBy Value `json:"orderBy,omitempty"`
	// Limit bounds the events that are looked at; default 1000.
	Limit int `json:"limit,omitempty"`
}

// CreateCall creates a webhook; ID is the gjson path of its id in the answer.
type CreateCall struct {
	Call
	ID string `json:"id,omitempty"`
}

// Relay is the way out: events of Kyma become calls to the system.
type Relay struct {
	Name string    `json:"name"`
	From RelayFrom `json:"from"`
	To   RelayTo   `json:"to" secrets:"yes"`
	// Map makes the document that is sent from the event.
	Map RelayMap `json:"map" scope:"relay"`
	// Success judges the system's answer; default: a 2xx status.
	Success Value `json:"success,omitempty" scope:"response" kind:"bool"`
	// Retry says which answers are worth repeating although neither their status (429, 5xx) nor Success says
	// so.
	Retry Value `json:"retry,omitempty" scope:"response" kind:"bool"`
	// Code is the system's own code of a failure, for logs and dead letters; what is not made of letters,
	// digits, dots, dashes and underscores is left out.
	Code Value `json:"code,omitempty" scope:"response"`
}

// RelayFrom names the events of Kyma and the path of the relay listener.
type RelayFrom struct {
	// Types are the full event types, such as order.created.v1. Without any, nothing is relayed.
	Types ValueList `json:"types" kind:"list"`
	// Source is the Application whose events are subscribed to; default the definition's own.
	Source Value  `json:"source,omitempty"`
	Path   string `json:"path"`
}

// RelayTo is the call that carries the events.
type RelayTo struct {
	Call
	// Format is how the documents of a batch make the body: array (default, a JSON array), lines (one
	// document per line) or single (one document, for systems without batches).
	Format string `json:"format,omitempty"`
	// Batch is how many events may go together; without it, each event goes alone.
	Batch *Batch `json:"batch,omitempty"`
	// Single replaces the path where a batch holds one event. The body is then its document alone.
	Single Value `json:"single,omitempty"`
	// Schema is what the documents are checked against before they are sent.
	Schema *RelaySchema `json:"schema,omitempty"`
}

// Batch bounds a batch; it is sent as soon as one of the bounds is reached.
type Batch struct {
	// Count is the number of events; default 100, at most 256.
	Count int `json:"count,omitempty"`
	// Bytes bounds the body; default 1MiB.
	Bytes Size `json:"bytes,omitempty"`
	// Age is how long the first event waits for others; default 1s, at most 10s.
	Age Duration `json:"age,omitempty"`
}

// RelaySchema is a JSON Schema that the system keeps. While it cannot be read, events are sent unchecked.
type RelaySchema struct {
	// Get is the path of the document that holds it; At its gjson path there (default: the whole document).
	// A schema that is written as a text is read as what the text says.
	Get Value  `json:"get"`
	At  string `json:"at,omitempty"`
	// Refresh is how often it is read again; default 10m, at least 1m.
	Refresh Duration `json:"refresh,omitempty"`
}

// RelayMap is the document made from an event.
type RelayMap struct {
	Data Value `json:"data" kind:"any"`
}

// Manual is one thing that a person has to do at the system.
type Manual struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Enabled leaves it out where it evaluates to false.
	Enabled Value   `json:"enabled,omitempty" scope:"parameters" kind:"bool"`
	Steps   []Value `json:"steps"`
}

// Duration is a time.Duration written as in Go: 1h, 500ms.
type Duration time.Duration

// Size is a number of bytes, written plain or with KiB, MiB, GiB.
type Size int64

// Value is a scalar of a definition: a literal, or an expression where the text starts with "=".
type Value struct {
	text    string
	set     bool
	scalar  bool // a number or a boolean, written without quotes
	program *expression.Program
}

// ValueList is a list of values; in YAML a single value stands for a list of one.
type ValueList []Value

// WebhooksList is a list of webhooks; in YAML a single object stands for a list of one.
type WebhooksList []Webhooks

// AuthList is a list of alternatives; in YAML a single object stands for a list of one.
type AuthList []Auth

// Template is a JSON document whose strings may be expressions. The members of the object that a member named
// "..." gives are put in its place; those that are written beside it win.
type Template struct{ root any }

// fileReader reads the documents beside a definition.
type fileReader func(name string) ([]byte, error)
