package appregistry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// maxQuoted is the number of bytes of the registry's own words that an error repeats.
const maxQuoted = 300

// unanswered explains a call without an answer; nil stays nil.
func unanswered(what string, err error) error {
	var failed *httpclient.Error
	if !errors.As(err, &failed) {
		return err
	}
	var unresolved *net.DNSError
	switch {
	case failed.Kind == httpclient.Invalid:
		return &registration.ConfigError{What: what + ": the registry's address cannot be used", Next: "check --registry-url", Err: err}
	case errors.As(err, &unresolved) && unresolved.IsNotFound:
		return &registration.ConfigError{What: what + ": there is no Application Registry at " + failed.Address, Next: "check --registry-url, or choose --backend application", Err: errors.New("the host name cannot be resolved")}
	}
	return fmt.Errorf("%s: the Application Registry gave no answer: %w", what, err)
}

// noRegistry explains a success that the registry cannot have sent.
func noRegistry(what string) error {
	return fmt.Errorf("%s: what answers is no Application Registry, or something between is in its place; whether it was done will show", what)
}

// refusal explains an answer that is not a success. What the registry says is repeated only where it cannot
// hold a secret of the request.
func refusal(what string, answer *httpclient.Response, api *registration.API) error {
	said := quote(answer.Body, secretsOf(api))
	config := func(text, next string) error {
		return &registration.ConfigError{What: fmt.Sprintf("%s: %s (%d%s)", what, text, answer.Status, said), Next: next}
	}
	switch {
	case unknownApplication(answer):
		return fmt.Errorf("%s: %w", what, registration.ErrNoApplication)
	case answer.Status == http.StatusNotFound:
		return config("the address is not that of an Application Registry", "check --registry-url: it ends in /<application>/v1/metadata")
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
		return config("the Application Registry does not let this caller in", "call it from inside the cluster, at port 8081")
	case answer.Status == http.StatusRequestEntityTooLarge:
		return config("the service is too large for the Application Registry", "give the API's specification by URL, or leave it out")
	case answer.Status == http.StatusBadGateway && api != nil:
		return fmt.Errorf("%s: the Application Registry could not download the specification: it must be reachable from the cluster within 20 seconds, with the credentials of the API (%d%s)", what, answer.Status, said)
	case answer.Status >= 500, answer.Status == http.StatusTooManyRequests, answer.Status == http.StatusConflict, answer.Status == http.StatusRequestTimeout:
		return fmt.Errorf("%s: the Application Registry failed (%d%s)", what, answer.Status, said)
	}
	return config("the Application Registry refuses it", "correct what it names")
}

// mayRepeat says whether a POST that did not succeed can be repeated, once it is clear that it was not done.
func mayRepeat(answer *httpclient.Response, err error) bool {
	if err != nil {
		var failed *httpclient.Error
		return errors.As(err, &failed) && failed.Kind != httpclient.Invalid && failed.Kind != httpclient.DNS && failed.Kind != httpclient.Ended
	}
	return answer.Status == http.StatusTooManyRequests || answer.Status >= 500 && answer.Status != http.StatusBadGateway
}

// lost says that the registry may still be at work on a call without an answer.
func lost(err error) bool {
	var failed *httpclient.Error
	return errors.As(err, &failed) && failed.Kind != httpclient.Refused && failed.Kind != httpclient.TLS
}

// registryError is the body of an answer that is not a success.
type registryError struct {
	Code  int    `json:"code"`
	Error string `json:"error"`
}

// unknownApplication says that the Application does not exist.
func unknownApplication(answer *httpclient.Response) bool {
	var body registryError
	return answer.Status == http.StatusNotFound && json.Unmarshal(answer.Body, &body) == nil &&
		strings.Contains(body.Error, "Application ") && strings.Contains(body.Error, " not found")
}

// quote returns ": " and the registry's words as one short printable line; nothing where they are not in the
// registry's form, say nothing, or hold a secret.
func quote(answer []byte, secrets []string) string {
	var body registryError
	if json.Unmarshal(answer, &body) != nil || body.Error == "" || body.Code == http.StatusInternalServerError {
		return ""
	}
	for _, value := range secrets {
		if strings.Contains(body.Error, value) {
			return ""
		}
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, body.Error)
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return ": " + strings.TrimSpace(text)
}

// secretsOf returns the secrets of an API in every form in which an error might repeat them.
func secretsOf(api *registration.API) []string {
	if api == nil {
		return nil
	}
	var texts []secret.Text
	add := func(maps ...map[string][]secret.Text) {
		for _, values := range maps {
			for _, list := range values {
				texts = append(texts, list...)
			}
		}
	}
	add(api.Headers, api.Query)
	var forms []string
	if b := api.Credentials.Basic; b != nil {
		texts = append(texts, b.Password)
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(b.Username+":"+b.Password.Reveal())))
	}
	if o := api.Credentials.OAuth; o != nil {
		texts = append(texts, o.ClientSecret)
		add(o.Headers, o.Query)
	}
	for _, text := range texts {
		value := text.Reveal()
		if value == "" {
			continue
		}
		escaped, _ := json.Marshal(value) // a string always can be marshalled
		forms = append(forms, value, strings.Trim(string(escaped), `"`), url.QueryEscape(value), url.PathEscape(value), base64.StdEncoding.EncodeToString([]byte(value)))
	}
	return forms
}
