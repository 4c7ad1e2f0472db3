package registration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// checkSpecifications looks at the documents that the steps would register by their address. An API whose document is
// none is registered without it: it can be called all the same, and the next run looks again. It says whether anything
// that is desired changed.
func (r *run) checkSpecifications(ctx context.Context, steps []Step) (changed bool) {
	var doubtful []verified
	for _, step := range steps {
		if step.Service == nil {
			continue
		}
		if v, ok := r.probes[step.Service.ID]; ok && r.readsSpecification(v) {
			doubtful = append(doubtful, v)
		}
	}
	if len(doubtful) == 0 {
		return false
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Until(deadline)/2, errProbing) // the rest is for writing
		defer cancel()
	}
	first := map[string]int{} // by document: APIs may have the same one
	var documents []verified
	for _, v := range doubtful {
		if _, known := first[v.document()]; !known {
			first[v.document()] = len(documents)
			documents = append(documents, v)
		}
	}
	r.Log.Info("reading specifications", "documents", len(documents))
	findings := make([]finding, len(documents))
	each(r.Parallel, len(documents), func(i int) { findings[i] = r.checkSpecification(ctx, documents[i]) })
	without := map[string]bool{}
	for _, v := range doubtful {
		f := findings[first[v.document()]]
		if f.OK() {
			continue
		}
		id := v.service.ID
		without[id] = true
		row := r.at(id)
		row.Note = joinSentences(row.Note, "its specification is left out: "+joinNext(f.Reason, f.Next))
	}
	for i, s := range r.desired.Services {
		if without[s.ID] {
			r.desired.Services[i] = withoutSpecification(s)
		}
	}
	return len(without) > 0
}

// document names the document of an API, and with which credentials it is read.
func (v verified) document() string {
	api := v.service.API
	switch {
	case !api.SpecificationAuth:
		return string(api.Kind) + " " + api.SpecificationURL
	case api.SecretName != "":
		return string(api.Kind) + " " + api.SpecificationURL + " " + api.SecretName
	}
	return v.service.ID
}

// readsSpecification says whether the document of an API has to be looked at: where the definition names an address
// for it, and where Kyma is going to fetch it. A probe may have read it already.
func (r *run) readsSpecification(v verified) bool {
	spec, probe := v.api.Specification, v.api.Probe
	switch {
	case spec == nil || v.service.API == nil || v.service.API.SpecificationURL == "":
		return false
	case spec.URL.IsSet(), spec.Path.IsSet():
		return true
	case probe != nil && probe.Metadata:
		return false
	}
	return r.fetchesSpecifications()
}

func (r *run) fetchesSpecifications() bool {
	_, fetches := r.Catalog.(SpecificationFetcher)
	return fetches
}

// checkSpecification reads a document as Kyma would: with what it signs in with where the document is at the system,
// without credentials elsewhere.
func (r *run) checkSpecification(ctx context.Context, v verified) finding {
	var problem error
	request := httpclient.Request{
		Method: http.MethodGet, URL: v.service.API.SpecificationURL, Header: http.Header{"Accept": {"*/*"}},
		MaxBody: maxMetadata, NotAgainAfterTimeout: true,
		Consume: func(document io.Reader) { problem = readSpecification(v.api.Kind, document) },
	}
	hints := v.hints
	hints.WhenDisabled, hints.Call = "", "the specification"
	auth := v.auth
	if r.fetchesSpecifications() {
		auth = v.kept
	}
	if !v.service.API.SpecificationAuth {
		auth = &system.Authorization{Kind: system.KindNone}
		hints.System, hints.Credentials = "the address of the specification in the definition", "the address of the specification in the definition"
	}
	answer, f := r.builder.system.Do(ctx, auth, request, hints)
	if !f.OK() {
		return f
	}
	if f := system.JudgeStatus(request, answer, []int{http.StatusOK}, hints); !f.OK() {
		return f
	}
	if problem != nil {
		return finding{Class: ClassMalformed, Reason: fmt.Sprintf("%s with %v", system.Said(request, answer), problem), Next: "check the address of the specification in the definition"}
	}
	return finding{}
}

// withoutSpecification is the service without its document.
func withoutSpecification(s Service) Service {
	api := *s.API
	api.SpecificationURL, api.SpecificationAuth = "", false
	s.API, s.Labels = &api, maps.Clone(s.Labels)
	s.Labels[LabelHash] = contentHash(s)
	return s
}

var errNoDescription = errors.New("no OpenAPI document, as JSON or YAML")

// readSpecification says what is wrong with a document that should describe an API of a kind. It reads while the
// document arrives and keeps none of it.
func readSpecification(kind connector.APIKind, document io.Reader) error {
	buffered := bufio.NewReaderSize(document, 4<<10)
	if mark, _ := buffered.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = buffered.Discard(3)
	}
	begin, _ := buffered.Peek(buffered.Size()) // an error comes again
	begin = bytes.TrimLeft(begin, " \t\r\n")
	switch {
	case len(begin) == 0:
		return errEmptyBody
	case system.IsWebPage(begin):
		return system.ErrWebPage
	case begin[0] == '{':
		return readJSON(kind, buffered)
	case begin[0] == '<' && kind == connector.KindOData:
		return readEDMX(buffered)
	case kind == connector.KindOData:
		return errNotEDMX
	case kind == connector.KindOpenAPI:
		return readYAML(buffered)
	}
	return nil
}

// describes says whether a member at the top of a document is the version of OpenAPI.
func describes(member string) bool { return member == "openapi" || member == "swagger" }

// readEDMX wants the root of EDMX: thousands of megabytes of it would take minutes to read to their end. A short rest is
// read all the same, so that the connection can be used again.
func readEDMX(document io.Reader) error {
	decoder := xml.NewDecoder(&tokenReader{r: document, left: maxToken})
	for {
		token, err := decoder.RawToken()
		if err != nil {
			return errNotEDMX
		}
		switch token := token.(type) {
		case xml.Directive:
			return errNotEDMX
		case xml.StartElement:
			if token.Name.Local != "Edmx" {
				return errNotEDMX
			}
			_, _ = io.CopyN(io.Discard, document, maxToken)
			return nil
		}
	}
}

// readJSON wants one JSON object to its end and, of OpenAPI, the version.
func readJSON(kind connector.APIKind, document *bufio.Reader) error {
	version := kind != connector.KindOpenAPI
	if !scanObject(document, func(member string) { version = version || describes(member) }) || !version {
		return errNoDescription
	}
	return nil
}

// readYAML looks for the version of OpenAPI at the beginning of a line. No more of YAML is read: its aliases can blow
// up a document.
func readYAML(document *bufio.Reader) error {
	for begins := true; ; {
		line, more, err := document.ReadLine()
		if err != nil {
			return errNoDescription
		}
		if name, _, is := strings.Cut(string(line[:min(len(line), 100)]), ":"); begins && is && describes(strings.Trim(name, `"' `)) {
			return nil
		}
		begins = !more
	}
}
