package sample

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// scheme is a way to prove the sender, seen from outside: texts in the request. All parts look at the
// request under the parameters of one installation.
type scheme struct {
	// presented are the proofs that the request carries.
	presented func(Request, *connector.Params) ([]string, error)
	// proofs are the right ones, the one to use first.
	proofs func(Request, *connector.Params) ([]string, error)
	// stamp is the time in the request that the proof covers, in seconds; empty where there is none.
	stamp func(Request, *connector.Params) (string, error)
}

func noStamp(Request, *connector.Params) (string, error) { return "", nil }

// schemesOf are the schemes that a delivery may be proved by, without those whose proofs somebody else issues.
func schemesOf(d *connector.Delivery) []*scheme {
	var out []*scheme
	for _, v := range d.Verify.Schemes() {
		if s := schemeOf(d, v); s != nil {
			out = append(out, s)
		}
	}
	return out
}

func schemeOf(d *connector.Delivery, v connector.Verify) *scheme {
	switch {
	case v.Basic != nil:
		return basic(v.Basic)
	case v.Bearer != nil:
		return bearer(v.Bearer)
	case v.HMAC != nil:
		return keyed(d, v.HMAC)
	case v.StandardWebhooks != nil:
		return standardWebhooks(v.StandardWebhooks)
	case v.PathToken != nil:
		return pathToken(d, v.PathToken)
	case v.Token != nil && d.Token != nil:
		return client(d.Token)
	}
	return nil
}

func basic(v *connector.VerifyBasic) *scheme {
	return &scheme{presented: authorization, stamp: noStamp, proofs: func(_ Request, p *connector.Params) ([]string, error) {
		user, err := v.Username.Text(p.Input())
		if err != nil {
			return nil, err
		}
		password, err := v.Password.Text(p.Input())
		if err != nil || user == "" || password == "" {
			return nil, err
		}
		return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}, nil
	}}
}

func bearer(v *connector.VerifyBearer) *scheme {
	return &scheme{presented: authorization, stamp: noStamp, proofs: func(_ Request, p *connector.Params) ([]string, error) {
		return each(v.Tokens, p, func(token string) (string, error) { return "Bearer " + token, nil })
	}}
}

func authorization(r Request, _ *connector.Params) ([]string, error) {
	return []string{r.Header.Get("Authorization")}, nil
}

func pathToken(d *connector.Delivery, v *connector.VerifyPathToken) *scheme {
	base := strings.TrimSuffix(d.HTTP.Path, "/") + "/"
	return &scheme{
		stamp: noStamp,
		presented: func(r Request, _ *connector.Params) ([]string, error) {
			token, _, _ := strings.Cut(strings.TrimPrefix(r.Path(), base), "/")
			return []string{base + token}, nil
		},
		proofs: func(_ Request, p *connector.Params) ([]string, error) {
			return each(v.Tokens, p, func(token string) (string, error) { return base + token, nil })
		},
	}
}

func keyed(d *connector.Delivery, v *connector.VerifyHMAC) *scheme {
	read := func(value connector.Value) func(Request, *connector.Params) (string, error) {
		return func(r Request, p *connector.Params) (string, error) {
			in, err := input(d, r, p)
			if err != nil {
				return "", err
			}
			return value.Text(in)
		}
	}
	return &scheme{
		stamp: read(v.Timestamp),
		presented: func(r Request, p *connector.Params) ([]string, error) {
			signature, err := read(v.Signature)(r, p)
			return []string{signature}, err
		},
		proofs: func(r Request, p *connector.Params) ([]string, error) {
			message, err := read(v.Message)(r, p)
			if err != nil {
				return nil, err
			}
			return each(v.Keys, p, func(key string) (string, error) { return v.Sign(key, message) })
		},
	}
}

// The headers of the Standard Webhooks scheme.
const (
	webhookID        = "Webhook-Id"
	webhookTimestamp = "Webhook-Timestamp"
	webhookSignature = "Webhook-Signature"
)

func standardWebhooks(v *connector.VerifyStandardWebhooks) *scheme {
	return &scheme{
		stamp: func(r Request, _ *connector.Params) (string, error) { return r.Header.Get(webhookTimestamp), nil },
		presented: func(r Request, _ *connector.Params) ([]string, error) {
			return strings.Fields(r.Header.Get(webhookSignature)), nil
		},
		proofs: func(r Request, p *connector.Params) ([]string, error) {
			message := r.Header.Get(webhookID) + "." + r.Header.Get(webhookTimestamp) + "." + string(r.Body)
			return each(v.Secrets, p, func(secret string) (string, error) {
				key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
				if err != nil {
					return "", fmt.Errorf("a secret of the Standard Webhooks scheme is not base64")
				}
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(message))
				return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
			})
		},
	}
}

// each makes a proof of every secret that has a value.
func each(values []connector.Value, p *connector.Params, proof func(string) (string, error)) ([]string, error) {
	var out []string
	for _, value := range values {
		text, err := value.Text(p.Input())
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		made, err := proof(text)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}
