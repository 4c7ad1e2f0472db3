package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// maxRedirects is that of Go's own client, which Helm Broker uses.
const maxRedirects = 10

func transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// web is a repository behind HTTP: archives beside the index.
type web struct {
	client *http.Client
	o      Options
	index  string
	base   string
}

func openWeb(l *Location, o Options) (*web, error) {
	// As Helm Broker does: the name of the index is cut off, with the query.
	base := strings.TrimRight(l.Address, path.Base(l.Address))
	if _, err := url.Parse(base); err != nil {
		return nil, errors.New("the directory of the index is no address")
	}
	client := *o.Client
	client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return nil
	}
	return &web{client: &client, o: o, index: l.Address, base: base}, nil
}

// Index implements Repository.
func (w *web) Index(ctx context.Context) ([]byte, error) {
	data, encoding, err := w.get(ctx, w.index, MaxIndex)
	if err != nil {
		return nil, err
	}
	if encoding != "" { // Go's client unpacks on the way
		unpacked, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("the server says Content-Encoding: %s, and it is not: %w", encoding, err)
		}
		if data, err = bounded(unpacked, MaxIndex); err != nil {
			return nil, err
		}
	}
	if isPage(data) {
		return nil, errPage
	}
	return data, nil
}

var errPage = errors.New("the server answers with a page of HTML, as one to sign in is; name the address of the file itself, and credentials if it wants some")

// isPage says whether data is a page for people.
func isPage(data []byte) bool {
	return strings.HasPrefix(http.DetectContentType(data), "text/html")
}

// Addon implements Repository.
func (w *web) Addon(ctx context.Context, key, version string) (addon.Tree, error) {
	name := key + "-" + version + addon.ArchiveSuffix
	data, encoding, err := w.get(ctx, w.base+name, addon.DefaultLimits().Archive)
	if err != nil {
		return addon.Tree{}, &NotFetched{fmt.Errorf("%s: %w", name, err)}
	}
	if encoding != "" {
		return addon.Tree{}, fmt.Errorf("%s: the server sends it with Content-Encoding: %s, so that Helm Broker's client unpacks it and its loader fails (gzip: invalid header); serve archives as they are", name, encoding)
	}
	if isPage(data) {
		return addon.Tree{}, fmt.Errorf("%s: %w", name, errPage)
	}
	tree, err := addon.ReadArchiveBytes(data)
	if err == nil {
		err = addon.CheckArchive(data)
	}
	if err != nil {
		return addon.Tree{}, fmt.Errorf("%s: %w", name, err)
	}
	return tree, nil
}

// Close implements Repository.
func (w *web) Close() error { w.client.CloseIdleConnections(); return nil }

// get fetches at most that many bytes, with the Accept-Encoding of Go's client.
func (w *web) get(ctx context.Context, address string, most int64) (data []byte, encoding string, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, "", errors.New("is no address that can be called")
	}
	r.Header.Set("Accept-Encoding", "gzip")
	answer, err := w.client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the address, which may hold a password
		}
		return nil, "", w.late(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		return nil, "", fmt.Errorf("the server answers %s; correct the credentials, or name some: {username}:{password}@ before the host, with the keys of a Secret", answer.Status)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("the server answers %s; Helm Broker wants 200", answer.Status)
	}
	data, err = bounded(answer.Body, most)
	if encoding = answer.Header.Get("Content-Encoding"); strings.EqualFold(encoding, "identity") {
		encoding = ""
	}
	return data, encoding, w.late(err)
}

// late says how long was waited where that is what is wrong.
func (w *web) late(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the answer is not complete after %s (--timeout)", w.o.Timeout)
	}
	return err
}

func bounded(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%w: more than %d bytes", errTooLarge, most)
	}
	return data, err
}
