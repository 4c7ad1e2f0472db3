package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// secretValues are the decoded values of a Secret.
func secretValues(o kube.Object) map[string]string {
	values := map[string]string{}
	for key, encoded := range o.Texts("data") {
		if raw, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			values[key] = string(raw)
		}
	}
	return values
}

// parameterValues are the values of a Secret with request parameters.
func parameterValues(p *requestParameters) map[string]any {
	values := map[string]any{}
	for key, parameters := range map[string]map[string][]string{"headers": p.Headers, "queryParameters": p.QueryParameters} {
		if len(parameters) > 0 {
			text, _ := json.Marshal(parameters) // strings can always be encoded
			values[key] = string(text)
		}
	}
	return values
}

// credentialValues returns what an entry says of its credentials and the values of the Secret, nil
// without credentials. What of a change is not stored is as in the real one.
func (g *registry) credentialValues(name string, c *serviceCredentials) (credentials, values map[string]any, problem *registryError) {
	if c == nil {
		return nil, nil, nil
	}
	present := map[string]string{}
	if o, err := g.kyma.cluster.Get(g.kyma.resources.secrets, integrationNamespace, name); err == nil {
		present = secretValues(o)
	}
	var csrf *csrfInfo
	switch {
	case c.Basic != nil:
		csrf = c.Basic.CSRF
		credentials = map[string]any{"type": "Basic"}
		values = map[string]any{"username": c.Basic.Username, "password": c.Basic.Password}
	case c.OAuth != nil:
		csrf = c.OAuth.CSRF
		credentials = map[string]any{"type": "OAuth", "authenticationUrl": c.OAuth.URL}
		values = map[string]any{"clientId": c.OAuth.ClientID, "clientSecret": c.OAuth.ClientSecret}
		switch {
		case present["clientId"] == c.OAuth.ClientID && present["clientSecret"] == c.OAuth.ClientSecret:
			values = asAny(present) // a change of the request parameters alone is lost
		case c.OAuth.RequestParameters != nil:
			for key, value := range parameterValues(c.OAuth.RequestParameters) {
				values[key] = value
			}
		}
	case c.CertificateGen != nil && c.CertificateGen.CommonName != "":
		csrf = c.CertificateGen.CSRF
		credentials = map[string]any{"type": "CertificateGen"}
		values = asAny(present) // a certificate is only renewed when the name changes
		if present["commonName"] != c.CertificateGen.CommonName {
			var err error
			if values, err = selfSigned(c.CertificateGen.CommonName); err != nil {
				return nil, nil, registryErrorf(http.StatusInternalServerError, "")
			}
		}
	default: // an empty common name silently means no credentials
		return nil, nil, nil
	}
	credentials["secretName"] = name
	if csrf != nil {
		credentials["csrfInfo"] = map[string]any{"tokenEndpointURL": csrf.TokenEndpointURL}
	}
	return credentials, values, nil
}

func asAny(texts map[string]string) map[string]any {
	values := map[string]any{}
	for key, text := range texts {
		values[key] = text
	}
	return values
}

// selfSigned makes a client certificate for a year.
func selfSigned(commonName string) (map[string]any, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: commonName},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(0, 0, 365),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"commonName": commonName,
		"crt":        string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"key":        string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}, nil
}

// details is what GET of one service says, read back from the cluster, with masked secrets.
func (g *registry) details(service kube.Object) map[string]any {
	all := baseDetails(service, false)
	specs := g.stored(service.Text("id"))
	for _, item := range service.List("entries") {
		entry := object(item)
		if entry.Text("type") != "API" {
			continue
		}
		api := serviceAPI{
			TargetURL: entry.Text("targetUrl"), SpecificationURL: entry.Text("specificationUrl"), APIType: entry.Text("apiType"), Spec: specs.API,
			Credentials: g.maskedCredentials(entry),
		}
		if name := entry.Text("requestParametersSecretName"); name != "" {
			api.RequestParameters = g.parameters(name)
		}
		all["api"] = api
	}
	if len(specs.Events) > 0 {
		all["events"] = serviceEvents{Spec: specs.Events}
	}
	if specs.Documentation != nil {
		all["documentation"] = specs.Documentation
	}
	return all
}

func (g *registry) maskedCredentials(entry kube.Object) *serviceCredentials {
	var csrf *csrfInfo
	if tokenURL := entry.Text("credentials", "csrfInfo", "tokenEndpointURL"); tokenURL != "" {
		csrf = &csrfInfo{TokenEndpointURL: tokenURL}
	}
	switch entry.Text("credentials", "type") {
	case "Basic":
		return &serviceCredentials{Basic: &basicCredentials{Username: masked, Password: masked, CSRF: csrf}}
	case "OAuth":
		oauth := &oauthCredentials{URL: entry.Text("credentials", "authenticationUrl"), ClientID: masked, ClientSecret: masked, CSRF: csrf}
		if p := g.parameters(entry.Text("credentials", "secretName")); !p.empty() {
			oauth.RequestParameters = p // in the open
		}
		return &serviceCredentials{OAuth: oauth}
	case "CertificateGen":
		values := map[string]string{}
		if o, err := g.kyma.cluster.Get(g.kyma.resources.secrets, integrationNamespace, entry.Text("credentials", "secretName")); err == nil {
			values = secretValues(o)
		}
		return &serviceCredentials{CertificateGen: &certificateCredentials{
			CommonName: values["commonName"], Certificate: base64.StdEncoding.EncodeToString([]byte(values["crt"])), CSRF: csrf,
		}}
	default:
		return nil
	}
}

func (g *registry) parameters(name string) *requestParameters {
	o, err := g.kyma.cluster.Get(g.kyma.resources.secrets, integrationNamespace, name)
	if err != nil {
		return nil
	}
	values, p := secretValues(o), &requestParameters{}
	_ = json.Unmarshal([]byte(values["headers"]), &p.Headers) // an absent one stays empty
	_ = json.Unmarshal([]byte(values["queryParameters"]), &p.QueryParameters)
	return p
}
