package registration_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
)

// content is what a document holds.
func content(t *testing.T, d *registration.Document) string {
	t.Helper()
	data, err := d.JSON()
	require.NoError(t, err)
	return string(data)
}

// library is a system of large documents that counts how they are read.
type library struct {
	document func() io.Reader

	mu           sync.Mutex
	opened       int // so far
	open, most   int // at the same time
	largestPiece int // that a reader asked for at once
	unread       int // bytes of documents that were closed before their end
}

// volume is one document being read.
type volume struct {
	io.Reader
	library *library
	closed  bool
}

func (v *volume) Read(p []byte) (int, error) {
	v.library.mu.Lock()
	v.library.largestPiece = max(v.library.largestPiece, len(p))
	v.library.mu.Unlock()
	return v.Reader.Read(p)
}

func (v *volume) Close() error {
	rest, _ := io.Copy(io.Discard, v.Reader)
	v.library.mu.Lock()
	defer v.library.mu.Unlock()
	if !v.closed {
		v.closed = true
		v.library.open--
		v.library.unread += int(rest)
	}
	return nil
}

// RoundTrip implements http.RoundTripper.
func (l *library) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r}
	if !strings.HasSuffix(r.URL.Path, "/$metadata") && !strings.HasSuffix(r.URL.Path, "/spec") {
		answer.Body = io.NopCloser(strings.NewReader(serviceDocument))
		return answer, nil
	}
	l.mu.Lock()
	l.opened++
	l.open++
	l.most = max(l.most, l.open)
	l.mu.Unlock()
	answer.Body = &volume{Reader: l.document(), library: l}
	return answer, nil
}

// large is a document of half a mebibyte between a beginning and an end, made while it is read.
func large(begin, middle, end string) func() io.Reader {
	filling := []byte(strings.Repeat(middle, (512<<10)/len(middle)))
	return func() io.Reader {
		return io.MultiReader(strings.NewReader(begin), bytes.NewReader(filling), strings.NewReader(end))
	}
}

// TestDocumentsAreReadAsTheyCome: of many APIs with large descriptions, no more are being read than calls are allowed at
// once, and of each no more than a small piece is held: nobody asks for much at a time, as one does who keeps it all.
func TestDocumentsAreReadAsTheyCome(t *testing.T) {
	t.Parallel()
	const apis, parallel = 24, 3
	for name, tt := range map[string]struct {
		api      string
		document func() io.Reader
		fetches  bool // then the beginning is enough
	}{
		"as the probe": {"kind: odata, specification: {metadata: true}, probe: {metadata: true}",
			large("<Edmx><DataServices><Schema><EntityType>", `<Property Name="X"/>`, "</EntityType><EntityContainer><EntitySet/></EntityContainer></Schema></DataServices></Edmx>"), false},
		"before Kyma fetches it": {"kind: odata, specification: {metadata: true}",
			large("<Edmx><DataServices><Schema><EntityType>", `<Property Name="X"/>`, "</EntityType><EntityContainer><EntitySet/></EntityContainer></Schema></DataServices></Edmx>"), true},
		"JSON by its address": {`kind: openapi, specification: {path: /spec}`, large(`{"openapi":"3.0.0","tags":[`, `"a tag",`, `1]}`), false},
		"YAML by its address": {`kind: openapi, specification: {path: /spec}`, large("info:\n", "  - a line\n", "openapi: 3.0.0\n"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var parts strings.Builder
			parts.WriteString("apis:\n")
			for i := range apis {
				fmt.Fprintf(&parts, "  - {id: a%d, name: A%d, path: /a%d/, %s}\n", i, i, i, strings.ReplaceAll(tt.api, "/spec", fmt.Sprintf("/a%d/spec", i)))
			}
			f := newFixture(t, parts.String())
			if tt.fetches {
				f.deps.Catalog = fetching{f.catalog}
			}
			l := &library{document: tt.document}
			f.deps.HTTP = httpclient.New(httpclient.Options{Transport: l})
			f.options.Parallel = parallel
			report := f.run(t)
			require.Equal(t, registration.Counts{Registered: apis}, report.APIs, "%+v", report.Services[0])
			assert.Empty(t, report.Services[0].Note)
			assert.Equal(t, apis, l.opened, "each is read once")
			assert.Zero(t, l.open)
			assert.LessOrEqual(t, l.most, parallel)
			assert.LessOrEqual(t, l.largestPiece, 64<<10)
		})
	}
}

// writing is a Catalog that, like the Application Registry's, reads a document when it writes the service.
type writing struct {
	*registrationtest.Catalog
	write func(*registration.Service)
}

func (w writing) Apply(ctx context.Context, changes []registration.Change) []error {
	for _, change := range changes {
		w.write(change.Service)
	}
	return w.Catalog.Apply(ctx, changes)
}

// TestDocumentsBesideTheDefinitionAreNotHeld: a run reads each to see what it is, and forgets it; whoever writes the
// service reads it again. It is not parallel, since it looks at what is in memory.
func TestDocumentsBesideTheDefinitionAreNotHeld(t *testing.T) {
	const apis, size = 16, 512 << 10
	files, parts := map[string]string{}, "apis:\n"
	for i := range apis {
		name := fmt.Sprintf("apis/%d.json", i)
		files[name] = fmt.Sprintf(`{"openapi":"3.0.0","info":{"title":"%d","description":"%s"}}`, i, strings.Repeat("x", size))
		parts += fmt.Sprintf("  - {id: a%d, name: A%d, kind: rest, path: /a, specification: {file: %s}}\n", i, i, name)
	}
	f := newFixture(t, "")
	f.options.Definition = defineFiles(t, header, parts, files)
	f.system.on("/a", answer(200, "{}"))
	before := retained() // with the files themselves
	written := 0
	f.deps.Catalog = writing{f.catalog, func(s *registration.Service) {
		written++
		document := content(t, s.API.Specification)
		assert.Greater(t, len(document), size)
		if written%5 == 1 {
			assert.Less(t, retained(), before+6*size, "when service %d is written", written)
		}
	}}
	report := f.run(t)
	assert.Equal(t, registration.Counts{Registered: apis}, report.APIs)
	assert.Equal(t, apis, written)
	again := f.run(t)
	assert.Equal(t, registration.Counts{Unchanged: apis}, again.APIs)

	files["apis/7.json"] = strings.Replace(files["apis/7.json"], "xx", "yy", 1)
	f.options.Definition = defineFiles(t, header, parts, files)
	assert.Equal(t, registration.Counts{Unchanged: apis - 1, Updated: 1}, f.run(t).APIs, "another content is another service")
}
