package webhook

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
)

// read makes a delivery of a request, or says what is wrong with it. release gives back what the body
// takes of the limit; call it when the delivery is done with.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, route *Route, rest []string) (d *gateway.Delivery, problem *gateway.Answer, release func()) {
	release = func() {}
	if !accepts(route.Accepts, r.Header) {
		return nil, &gateway.Answer{Outcome: gateway.Unsupported, Error: "content type: want " + strings.Join(route.Accepts, " or ")}, release
	}
	compressed := false
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		compressed = true
	default:
		return nil, &gateway.Answer{Outcome: gateway.Unsupported, Error: "content encoding: want none or gzip"}, release
	}
	if r.ContentLength > route.MaxBody {
		return nil, tooLarge(route), release
	}
	held := route.MaxBody
	if r.ContentLength >= 0 && !compressed {
		held = r.ContentLength
	}
	if h.buffered.Add(held) > h.maxBuffered {
		h.buffered.Add(-held)
		answer := overload()
		return nil, &answer, release
	}
	release = func() { h.buffered.Add(-held) }

	body, problem := readBody(http.MaxBytesReader(w, r.Body, route.MaxBody), r.ContentLength, compressed, route)
	if problem != nil {
		return nil, problem, release
	}
	d = &gateway.Delivery{Client: httpserver.ClientAddress(r, h.hops), Header: r.Header, Path: rest, Body: body}
	if r.URL.RawQuery != "" {
		d.Query = r.URL.Query()
	}
	if route.TokenInPath && len(rest) > 0 {
		d.Token, d.Path = rest[0], rest[1:]
	}
	return d, nil, release
}

func readBody(body io.Reader, length int64, compressed bool, route *Route) ([]byte, *gateway.Answer) {
	if length >= 0 && !compressed {
		data := make([]byte, length)
		if _, err := io.ReadFull(body, data); err != nil {
			return nil, unreadable(err, route)
		}
		return data, nil
	}
	if compressed {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, unreadable(err, route)
		}
		body = unpacked
	}
	var data bytes.Buffer
	n, err := io.Copy(&data, io.LimitReader(body, route.MaxBody+1))
	if err != nil {
		return nil, unreadable(err, route)
	}
	if n > route.MaxBody {
		return nil, tooLarge(route)
	}
	return data.Bytes(), nil
}

func tooLarge(route *Route) *gateway.Answer {
	return &gateway.Answer{Outcome: gateway.TooLarge, Error: fmt.Sprintf("the body is larger than %d bytes", route.MaxBody)}
}

func unreadable(err error, route *Route) *gateway.Answer {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return tooLarge(route)
	}
	return &gateway.Answer{Outcome: gateway.Malformed, Error: "the body cannot be read: it is cut off, came too slowly, or is not what its encoding says"}
}

// accepts checks the content type. A JSON delivery without a content type is taken: the mapping finds out
// whether it is JSON.
func accepts(kinds []string, header http.Header) bool {
	media := header.Get("Content-Type")
	if media != "application/json" { // which most have, and which needs no parsing
		parsed, _, err := mime.ParseMediaType(media)
		if err != nil && media != "" {
			parsed = "invalid"
		}
		media = parsed
	}
	// Of CloudEvents only JSON is read: one, or a batch of them.
	foreign := strings.HasPrefix(media, "application/cloudevents")
	structured := media == "application/cloudevents+json" || media == "application/cloudevents-batch+json"
	for _, kind := range kinds {
		switch kind {
		case "any":
			return true
		case "json":
			if media == "" || media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json") && !foreign {
				return true
			}
		case "form":
			if media == "application/x-www-form-urlencoded" {
				return true
			}
		case "cloudevents":
			if structured || header.Get("Ce-Specversion") != "" && !foreign {
				return true
			}
		}
	}
	return false
}
