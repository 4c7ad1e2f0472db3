package deadletter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

const maxRequest = 1 << 20

// Handler offers a Manager over HTTP to those who know the token. Bind it to loopback only: it shows
// payloads and erases events.
func Handler(m Manager, token secret.Text) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + token.Reveal()))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /deadletters", func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
		if err != nil {
			limit = 100
		}
		list, err := m.List(r.Context(), r.URL.Query().Get("after"), limit)
		answer(w, list, err)
	})
	mux.HandleFunc("GET /deadletters/{id}", func(w http.ResponseWriter, r *http.Request) {
		letter, err := m.Show(r.Context(), r.PathValue("id"))
		answer(w, letter, err)
	})
	mux.HandleFunc("POST /deadletters/replay", func(w http.ResponseWriter, r *http.Request) {
		var request Replay
		if !read(w, r, &request) {
			return
		}
		results, err := m.Replay(r.Context(), request)
		answer(w, results, err)
	})
	mux.HandleFunc("POST /deadletters/drop", func(w http.ResponseWriter, r *http.Request) {
		var request Selection
		if !read(w, r, &request) {
			return
		}
		results, err := m.Drop(r.Context(), request)
		answer(w, results, err)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if token.Empty() || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, "the request is not what this version understands", http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, gateway.ErrNoDeadLetter):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// Client manages the dead letters of a running gateway.
type Client struct {
	base  string
	token secret.Text
	http  *http.Client
}

// NewClient talks to the Handler at an address such as 127.0.0.1:8083.
func NewClient(address string, token secret.Text) *Client {
	return &Client{base: "http://" + address, token: token, http: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{Proxy: nil}}}
}

// List implements Manager.
func (c *Client) List(ctx context.Context, after string, limit int) (list []Summary, err error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}, "after": {after}}
	return list, c.call(ctx, http.MethodGet, "/deadletters?"+query.Encode(), nil, &list)
}

// Show implements Manager.
func (c *Client) Show(ctx context.Context, id string) (letter Letter, err error) {
	return letter, c.call(ctx, http.MethodGet, "/deadletters/"+url.PathEscape(id), nil, &letter)
}

// Replay implements Manager.
func (c *Client) Replay(ctx context.Context, r Replay) (results []Result, err error) {
	return results, c.call(ctx, http.MethodPost, "/deadletters/replay", r, &results)
}

// Drop implements Manager.
func (c *Client) Drop(ctx context.Context, s Selection) (results []Result, err error) {
	return results, c.call(ctx, http.MethodPost, "/deadletters/drop", s, &results)
}

// maxAnswer bounds what the client reads: a page of dead letters, or one with its body.
const maxAnswer = 64 << 20

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content) //nolint:gosec // the address is the gateway's own
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	response, err := c.http.Do(request) //nolint:gosec // see above
	if err != nil {
		return fmt.Errorf("the gateway at %s cannot be reached: %w", c.base, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("the gateway's answer cannot be read: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w", path[strings.LastIndex(path, "/")+1:], gateway.ErrNoDeadLetter)
	case response.StatusCode != http.StatusOK:
		return errors.New(strings.TrimSpace(string(data)))
	}
	return json.Unmarshal(data, into)
}
