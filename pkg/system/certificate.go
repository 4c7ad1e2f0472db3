package system

import (
	"crypto/tls"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// useCertificate presents a client certificate.
func (a *Authorization) useCertificate(c *connector.ClientCertificate, e *Evaluator, base *httpclient.Client) (wrong string) {
	a.Kind = KindClientCertificate
	certificate, key := repairPEM(e.Text(c.Certificate)), repairPEM(e.Text(c.Key))
	if e.Err != nil {
		return ""
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		return "certificate and private key are no pair in PEM" // err may speak of what they hold
	}
	a.Certificate = &Certificate{Certificate: certificate, Key: secret.New(key)}
	if a.client, err = base.WithCertificate(pair); err != nil {
		return err.Error()
	}
	return ""
}
