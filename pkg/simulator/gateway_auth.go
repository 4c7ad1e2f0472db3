package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// signIn adds the credentials of an entry to a call, and a CSRF token where the entry wants one. again
// throws away what was remembered, because the system did not take it.
func (g *gateway) signIn(req *http.Request, entry kube.Object, again bool) error {
	if token := req.Header.Get("Access-Token"); token != "" {
		req.Header.Del("Access-Token")
		req.Header.Set("Authorization", token)
	} else if err := g.addCredentials(req, entry, again); err != nil {
		return err
	}
	tokenURL := entry.Text("credentials", "csrfInfo", "tokenEndpointURL")
	if tokenURL == "" {
		return nil
	}
	token, err := g.csrfToken(req, tokenURL, again)
	if err != nil {
		return err
	}
	req.Header.Set("X-Csrf-Token", token.token)
	for _, cookie := range token.cookies {
		req.AddCookie(cookie)
	}
	return nil
}

func (g *gateway) addCredentials(req *http.Request, entry kube.Object, again bool) error {
	kind, name := entry.Text("credentials", "type"), entry.Text("credentials", "secretName")
	if kind == "" && name == "" {
		return nil
	}
	values, err := g.secret(name)
	if err != nil {
		return err
	}
	switch kind {
	case "Basic":
		req.SetBasicAuth(values["username"], values["password"])
	case "OAuth":
		token, err := g.accessToken(req, entry.Text("credentials", "authenticationUrl"), values, again)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case "OAuthWithCert", "CertificateGen":
		return gatewayErrorf(http.StatusInternalServerError, "the simulated gateway does not sign in with client certificates")
	default: // any other spelling means no authentication at all, without a word
	}
	return nil
}

// csrfToken gets a token with the credentials of the call; it is kept for ever, by URL alone.
func (g *gateway) csrfToken(call *http.Request, tokenURL string, again bool) (csrfToken, error) {
	g.mu.Lock()
	cached, ok := g.csrf[tokenURL]
	g.mu.Unlock()
	if ok && !again {
		return cached, nil
	}
	req, err := http.NewRequestWithContext(call.Context(), http.MethodGet, tokenURL, nil)
	if err != nil {
		return csrfToken{}, gatewayErrorf(http.StatusInternalServerError, "invalid CSRF token URL %s", tokenURL)
	}
	if authorization := call.Header.Get("Authorization"); authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	req.Header.Set("X-Csrf-Token", "fetch")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := g.client().Do(req)
	if err != nil {
		return csrfToken{}, gatewayErrorf(http.StatusBadGateway, "failed to make a request to '%s': %s", tokenURL, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProxied))
	if resp.StatusCode != http.StatusOK {
		return csrfToken{}, gatewayErrorf(http.StatusBadGateway, "incorrect response code '%d' while getting token from %s", resp.StatusCode, tokenURL)
	}
	token := csrfToken{token: resp.Header.Get("X-Csrf-Token"), cookies: resp.Cookies()}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.csrf[tokenURL] = token
	return token, nil
}

// accessToken gets a token by the client credentials grant.
func (g *gateway) accessToken(call *http.Request, tokenURL string, values map[string]string, again bool) (string, error) {
	id := tokenURL + " " + values["clientId"]
	g.mu.Lock()
	cached, ok := g.tokens[id]
	g.mu.Unlock()
	if ok && !again && (cached.until.IsZero() || time.Now().Before(cached.until)) {
		return cached.token, nil
	}
	form := url.Values{"client_id": {values["clientId"]}, "client_secret": {values["clientSecret"]}, "grant_type": {"client_credentials"}}
	req, err := http.NewRequestWithContext(call.Context(), http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", gatewayErrorf(http.StatusInternalServerError, "invalid token URL %s", tokenURL)
	}
	req.SetBasicAuth(values["clientId"], values["clientSecret"])
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := addParameters(req, values); err != nil {
		return "", err
	}
	resp, err := g.client().Do(req)
	if err != nil {
		return "", gatewayErrorf(http.StatusBadGateway, "failed to make a request to '%s': %s", tokenURL, err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	if resp.StatusCode != http.StatusOK || err != nil {
		return "", gatewayErrorf(http.StatusBadGateway, "incorrect response code '%d' while getting token from %s", resp.StatusCode, tokenURL)
	}
	token := accessToken{token: answer.AccessToken}
	if answer.ExpiresIn > 2 {
		token.until = time.Now().Add(time.Duration(answer.ExpiresIn-2) * time.Second)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens[id] = token
	return token.token, nil
}
