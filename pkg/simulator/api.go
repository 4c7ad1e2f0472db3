package simulator

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxRequest bounds the bodies that the API of a system reads.
const maxRequest = 1 << 20

// needed is the error if one of the parameters has no value.
func needed(params map[string]string, names ...string) error {
	for _, name := range names {
		if params[name] == "" {
			return fmt.Errorf("parameter %s: a value is needed, the simulated system lets nobody in without", name)
		}
	}
	return nil
}

// numberOf is the value of a parameter that is a number above 0, or the default.
func numberOf(params map[string]string, name string, standard int) (int, error) {
	text := params[name]
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("parameter %s: %q is no number above 0", name, text)
	}
	return n, nil
}

// choiceOf is the value of a parameter that is one of the choices, of which the first is the default.
func choiceOf(params map[string]string, name string, choices ...string) (string, error) {
	value := params[name]
	if value == "" {
		return choices[0], nil
	}
	for _, choice := range choices {
		if value == choice {
			return value, nil
		}
	}
	return "", fmt.Errorf("parameter %s: %q is not one of %s", name, value, strings.Join(choices, ", "))
}

// listOf splits the value of a parameter at commas.
func listOf(text string) []string {
	list := []string{}
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// same compares what proves an identity.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// origin is the address that links to this host begin with.
func origin(r *http.Request) string {
	scheme := "https"
	if r.TLS == nil && r.Header.Get("X-Forwarded-Proto") != "https" {
		scheme = "http"
	}
	return scheme + "://" + r.Host
}

// errTooLarge says that a body is larger than a system takes.
var errTooLarge = errors.New("the body is too large")

// readBody reads a body of limited size.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errTooLarge
	}
	return body, err
}

// readJSON reads a JSON body of limited size.
func readJSON(r *http.Request, into any) error {
	body, err := readBody(r, maxRequest)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

const alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// randomText is a new text of letters and digits.
func randomText(length int) string {
	b := make([]byte, length)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphanumerics[int(b[i])%len(alphanumerics)]
	}
	return string(b)
}
