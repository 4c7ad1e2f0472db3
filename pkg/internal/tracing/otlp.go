package tracing

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// The defaults of the specification.
const (
	defaultEndpoint = "http://localhost:4318"
	tracesPath      = "/v1/traces"
	defaultTimeout  = 10 * time.Second
)

// exporter sends spans by OTLP over HTTP. The SDK's own exporter does the same with gRPC linked in, which costs an
// idle gateway an eighth of its memory.
type exporter struct {
	client *httpclient.Client
	url    string
	header http.Header
	zip    bool
}

// newExporter reads OTEL_EXPORTER_OTLP_*: what is said for traces alone comes first.
func newExporter(getenv func(string) string) (*exporter, error) {
	e := &exporter{header: http.Header{"Content-Type": {"application/x-protobuf"}}}
	if err := e.address(getenv); err != nil {
		return nil, err
	}
	if err := e.addHeaders(getenv); err != nil {
		return nil, err
	}
	name, compression := setting(getenv, "COMPRESSION")
	switch compression {
	case "", "none":
	case "gzip":
		e.zip = true
		e.header.Set("Content-Encoding", "gzip")
	default:
		return nil, fmt.Errorf("%s %q: want gzip or none", name, compression)
	}
	timeout := defaultTimeout
	if name, text := setting(getenv, "TIMEOUT"); text != "" {
		millis, err := strconv.Atoi(text)
		if err != nil || millis <= 0 {
			return nil, fmt.Errorf("%s %q: want milliseconds, such as 10000", name, text)
		}
		timeout = time.Duration(millis) * time.Millisecond
	}
	transport := httpclient.NewTransport()
	var err error
	if transport.TLSClientConfig, err = tlsConfig(getenv); err != nil {
		return nil, err
	}
	e.client = httpclient.New(httpclient.Options{Timeout: timeout, MaxBody: 64 << 10, Transport: transport, UserAgent: "OTel-OTLP-Exporter-Kyma-Connectors"})
	return e, nil
}

// setting is a variable for traces alone or, where it is empty, the one for all signals.
func setting(getenv func(string) string, what string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + what
	if value = getenv(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + what
	return name, getenv(name)
}

func (e *exporter) address(getenv func(string) string) error {
	const own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	name, address := setting(getenv, "ENDPOINT")
	u, err := url.Parse(cmp.Or(address, defaultEndpoint))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s: want an address such as http://collector.example:4318", name)
	}
	if name != own {
		u.Path = strings.TrimSuffix(u.Path, "/") + tracesPath
	}
	e.url = u.String()
	return nil
}

// addHeaders reads name=value pairs. They may be secrets: no error shows one.
func (e *exporter) addHeaders(getenv func(string) string) error {
	name, list := setting(getenv, "HEADERS")
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !found || err != nil || key == "" || strings.ContainsAny(key, " \t\"(),/:;<>?@[\\]{}") {
			return fmt.Errorf("%s: want name=value, separated by commas, the values as in URLs", name)
		}
		e.header.Set(key, value)
	}
	return nil
}

func tlsConfig(getenv func(string) string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if name, file := setting(getenv, "CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s has no certificates in PEM form", name, file)
		}
	}
	name, certificate := setting(getenv, "CLIENT_CERTIFICATE")
	_, key := setting(getenv, "CLIENT_KEY")
	if certificate == "" && key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s, OTEL_EXPORTER_OTLP_CLIENT_KEY: %w", name, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	body := encode(spans)
	if e.zip {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		body = zipped.Bytes()
	}
	// A collector that gets spans twice keeps them once: they have ids.
	answer, err := e.client.Do(ctx, httpclient.Request{Method: http.MethodPost, URL: e.url, Header: e.header, Body: body, Idempotent: true})
	switch {
	case err != nil:
		return fmt.Errorf("%d spans are lost: %w", len(spans), err)
	case answer.Status < 200 || answer.Status > 299:
		return fmt.Errorf("%d spans are lost: %s answers %d", len(spans), httpclient.Address(e.url), answer.Status)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error { return nil }

var _ sdktrace.SpanExporter = (*exporter)(nil)
