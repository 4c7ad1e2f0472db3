package scaffold

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/google/uuid"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

//go:embed templates
var templates embed.FS

// sampleKey is what the samples are signed with.
const sampleKey = "sample-webhook-key-0123456789"

// model is what the templates see.
type model struct {
	Options
	// Key is the name of add-on and chart, Version theirs, Library that of the library chart.
	Key, Version, Library string
	// Path is that of the webhook, Segment that of the API in Kyma's gateway.
	Path, Segment string
	// KeyHeader and SignatureHeader are the headers of the made-up system.
	KeyHeader, SignatureHeader string
	SampleKey, Icon, Colour    string
	Events                     []eventModel
}

type eventModel struct {
	// Type is the event's name, Name the same as an identifier, Slug as a file name.
	Type, Name, Slug string
	Summary          string
	// Data is the example, JSON.
	Data string
}

func newModel(o Options, library string) *model {
	words := strings.FieldsFunc(o.System, func(r rune) bool { return r == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	header := "X-" + strings.Join(words, "-")
	m := &model{
		Options: o, Key: o.System + Suffix, Version: FirstVersion, Library: library,
		Path: "/" + o.System, Segment: segment(o.Title + " - API"), KeyHeader: header + "-Key", SignatureHeader: header + "-Signature",
		SampleKey: sampleKey, Colour: colour(o.System),
	}
	for i, name := range o.Events {
		parts := strings.Split(name, ".")
		identifier := parts[0]
		for _, p := range parts[1:] {
			identifier += strings.ToUpper(p[:1]) + p[1:]
		}
		last := parts[len(parts)-1]
		m.Events = append(m.Events, eventModel{
			Type: name, Name: identifier, Slug: slugOf(name), Summary: strings.ToUpper(parts[0][:1]) + strings.Join(parts, " ")[1:] + ".",
			Data: fmt.Sprintf(`{"id":"%d","status":"%s"}`, 4711+i, last),
		})
	}
	return m
}

// segment is what Kyma makes of the name of an API in its addresses.
func segment(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "-")
}

// colour is one that a name always has, dark enough for white on it.
func colour(name string) string {
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("#%02x%02x%02x", sum[0]%160, sum[1]%160, sum[2]%160)
}

// Files makes the files of a new connector, by their paths in the repository: all but the links of the add-on, and
// what "addonctl lint --fix" makes of the definition. library is the version of the library chart. The same
// options give the same files.
func Files(o Options, library string) (addon.Tree, error) {
	o, err := o.normalise()
	if err != nil {
		return addon.Tree{}, err
	}
	m := newModel(o, library)
	parsed, err := m.parse()
	if err != nil {
		return addon.Tree{}, err
	}
	icon, err := m.fill(parsed, "icon.svg")
	if err != nil {
		return addon.Tree{}, err
	}
	m.Icon = "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(bytes.TrimSpace(icon))
	var files []addon.File
	for _, t := range parsed.Templates() {
		to := m.place(t.Name())
		if to == "" {
			continue
		}
		data, err := m.fill(parsed, t.Name())
		if err != nil {
			return addon.Tree{}, err
		}
		files = append(files, addon.File{Path: to, Data: data})
	}
	samples, err := m.samples()
	if err != nil {
		return addon.Tree{}, err
	}
	return addon.NewTree(append(files, samples...))
}

// place is where the file of a template goes; empty for those that are parts of others.
func (m *model) place(name string) string {
	chart, addonDir := path.Join(addon.ChartsDir, m.Key), path.Join(addon.AddonsDir, m.Key+"-"+m.Version)
	rest := func(dir string) (string, bool) { return strings.CutPrefix(name, dir+"/") }
	switch name {
	case "system.md":
		return path.Join(systemDocs, m.System+".md")
	case "chart/helmignore":
		return path.Join(chart, ".helmignore")
	case "chart/files/apis/api.json":
		return path.Join(chart, "files/apis", m.System+".json")
	}
	if document, ok := rest("addon/docs"); ok && document != addon.MetaFile {
		return path.Join(addonDir, addon.DocsDir, m.Key, document)
	}
	if file, ok := rest("addon"); ok {
		return path.Join(addonDir, file)
	}
	if file, ok := rest("chart"); ok {
		return path.Join(chart, file)
	}
	return ""
}

// systemDocs is where the pages of the systems are.
const systemDocs = "docs/systems"

// parse reads all templates. What is Helm's own has braces, what is ours has brackets.
func (m *model) parse() (*template.Template, error) {
	all := template.New("").Delims("[[", "]]").Option("missingkey=error").Funcs(template.FuncMap{
		"json": quote,
		"yaml": quote, // a JSON text is a YAML text
		"uuid": m.uuid,
	})
	err := fs.WalkDir(templates, "templates", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := templates.ReadFile(name)
		if err != nil {
			return err
		}
		_, err = all.New(strings.TrimPrefix(name, "templates/")).Parse(string(data))
		return err
	})
	return all, err
}

func (m *model) fill(all *template.Template, name string) ([]byte, error) {
	var out bytes.Buffer
	if err := all.ExecuteTemplate(&out, name, m); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// quote writes a text in JSON, with every character as it is that may be.
func quote(text string) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSpace(out.String()), err
}

// uuid is the id of the add-on (part is empty) or of one of its plans.
func (m *model) uuid(part string) string {
	namespace := uuid.NewSHA1(uuid.NameSpaceDNS, []byte("addons.kyma-connectors.io"))
	return uuid.NewSHA1(namespace, []byte(m.Key+"\x00"+part)).String()
}

// golden is what must become of a sample.
type golden struct {
	Outcome string        `json:"outcome"`
	Status  int           `json:"status"`
	Reason  string        `json:"reason,omitempty"`
	Events  []goldenEvent `json:"events,omitempty"`
}

type goldenEvent struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Version string          `json:"version"`
	Subject string          `json:"subject"`
	Time    string          `json:"time"`
	Data    json.RawMessage `json:"data"`
}

// samples are recorded deliveries of the made-up system, one for each thing that can become of them.
func (m *model) samples() ([]addon.File, error) {
	var files []addon.File
	add := func(name, body, key string, g golden) error {
		expected, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			return err
		}
		dir := path.Join(addon.ChartsDir, m.Key, addon.SamplesDir)
		files = append(files,
			addon.File{Path: path.Join(dir, name+".http"), Data: []byte(m.request(body, key))},
			addon.File{Path: path.Join(dir, name+".golden.json"), Data: append(expected, '\n')})
		return nil
	}
	first := ""
	for i, e := range m.Events {
		id, at := fmt.Sprintf("evt-%04d", i+1), fmt.Sprintf("2026-01-02T03:%02d:%02dZ", i/60%60, i%60)
		body := fmt.Sprintf(`{"id":"%s","type":"%s","time":"%s","data":%s}`, id, e.Type, at, e.Data)
		if i == 0 {
			first = body
		}
		event := goldenEvent{ID: id, Type: e.Type, Version: "v1", Subject: fmt.Sprint(4711 + i), Time: at, Data: json.RawMessage(e.Data)}
		if err := add(e.Slug, body, sampleKey, golden{Outcome: "accepted", Status: 202, Events: []goldenEvent{event}}); err != nil {
			return nil, err
		}
	}
	for _, s := range []struct {
		name, body, key string
		golden
	}{
		{m.Events[0].Slug + "-again", first, sampleKey, golden{Outcome: "duplicate", Status: 202}},
		{"forged", first, "a-key-that-the-system-does-not-have", golden{Outcome: "refused", Status: 401, Reason: "credentials or signature: mismatch"}},
		{"malformed", `{"id":"evt-9001","type":`, sampleKey, golden{Outcome: "malformed", Status: 400, Reason: "not valid JSON"}},
		{"ping", `{"id":"evt-9002","type":"ping"}`, sampleKey, golden{Outcome: "ignored", Status: 204}},
		{"unknown", `{"id":"evt-9003","type":"something.else","time":"2026-01-02T03:04:05Z","data":{"id":"1"}}`, sampleKey, golden{Outcome: "unknown", Status: 422}},
	} {
		if s.name == "unknown" && slices.Contains(m.Options.Events, "something.else") {
			continue
		}
		if err := add(s.name, s.body, s.key, s.golden); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// request is a delivery as it is recorded, signed with a key.
func (m *model) request(body, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return "POST " + m.Path + " HTTP/1.1\nContent-Type: application/json\nUser-Agent: " + asciiOf(m.Title) + "\n" +
		m.SignatureHeader + ": " + hex.EncodeToString(mac.Sum(nil)) + "\n\n" + body
}

// asciiOf is a title as a header may hold it.
func asciiOf(title string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return -1
		}
		return r
	}, title)
}
