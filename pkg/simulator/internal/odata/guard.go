package odata

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
)

// Names that a Guard uses on the wire.
const (
	tokenHeader   = "X-Csrf-Token"
	sessionCookie = "SAP_SESSIONID"
	maxSessions   = 10_000
)

// Guard demands a CSRF token for every write. The token is given for "x-csrf-token: fetch" on a read, and
// is good only together with the session cookie that came with it.
type Guard struct {
	mu       sync.Mutex
	sessions map[string]string // cookie -> token
}

// Wrap guards a handler.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reading := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case reading && strings.EqualFold(r.Header.Get(tokenHeader), "fetch"):
			cookie, token := g.session(r)
			http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: cookie, Path: "/", HttpOnly: true, Secure: true})
			w.Header().Set(tokenHeader, token)
		case !reading && !g.valid(r):
			w.Header().Set(tokenHeader, "Required")
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("CSRF token validation failed"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Expire ends all sessions: every token that was given is worthless from now on.
func (g *Guard) Expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions = nil
}

// session returns the caller's session, a new one if there is none.
func (g *Guard) session(r *http.Request) (cookie, token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, err := r.Cookie(sessionCookie); err == nil && g.sessions[c.Value] != "" {
		return c.Value, g.sessions[c.Value]
	}
	if g.sessions == nil || len(g.sessions) >= maxSessions {
		g.sessions = map[string]string{}
	}
	cookie, token = random(), random()
	g.sessions[cookie] = token
	return cookie, token
}

func (g *Guard) valid(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	token := r.Header.Get(tokenHeader)
	for _, c := range r.CookiesNamed(sessionCookie) {
		if token != "" && g.sessions[c.Value] == token {
			return true
		}
	}
	return false
}

func random() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return base64.URLEncoding.EncodeToString(b)
}
