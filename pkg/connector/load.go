package connector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// FileName is the name of the definition in its directory.
const FileName = "connector.yaml"

// maxFile bounds a definition and each document beside it, in bytes.
const maxFile = 8 << 20

// Load reads, compiles and checks the definition connector.yaml in dir; the documents that it names are
// read from there too. An error about the content is a Problems with everything that is wrong.
func Load(dir fs.FS) (*Definition, error) { return LoadFile(dir, FileName) }

// LoadFile is Load for a definition of another name.
func LoadFile(dir fs.FS, name string) (*Definition, error) {
	data, err := readFile(dir, name)
	if err != nil {
		return nil, fmt.Errorf("definition %s: %w", name, err)
	}
	d := Definition{files: func(file string) ([]byte, error) { return readFile(dir, path.Join(path.Dir(name), file)) }}
	if err := d.decode(data); err != nil {
		return nil, fmt.Errorf("definition %s: %w", name, err)
	}
	if err := d.validate().err(); err != nil {
		return nil, fmt.Errorf("definition %s: %w", name, err)
	}
	return &d, nil
}

// File reads a document that the definition names, such as "events/asyncapi.yaml". It may hold up to 8 MiB.
func (d *Definition) File(name string) ([]byte, error) { return d.files(name) }

func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fileError(name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than 8 MiB", name)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%s is empty; check that it was written or mounted completely", name)
	}
	return data, nil
}

func fileError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s (%w)", name, fs.ErrNotExist)
	}
	return fmt.Errorf("cannot read %s: %w", name, bare(err))
}

// decode reads the file's bytes into the definition if their shape is right.
func (d *Definition) decode(data []byte) error {
	if err := safeyaml.Aliases(data); err != nil {
		return Problem{What: err.Error(), Next: "write out what the aliases stand for"}
	}
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return Problem{What: strings.TrimPrefix(err.Error(), "yaml: "), Next: "correct the YAML, or check that the file was written completely"}
	}
	problems, err := checkShape(asJSON)
	if err != nil {
		return err
	}
	if err := problems.err(); err != nil {
		return err
	}
	return unmarshalStrict(asJSON, d)
}

func unmarshalStrict(data []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(out)
}

// decodeNumbers decodes JSON and keeps numbers as they are written.
func decodeNumbers(data []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(out)
}
