package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"reflect"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// FileName is the name of the definition in its directory.
const FileName = "connector.yaml"

type fileReader func(name string) ([]byte, error)

// Load reads, compiles and checks the definition connector.yaml in dir; the documents that it names are
// read from there too.
func Load(dir fs.FS) (*Definition, error) { return LoadFile(dir, FileName) }

// LoadFile is Load for a definition of another name.
func LoadFile(dir fs.FS, name string) (*Definition, error) {
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var d Definition
	if err := unmarshalStrict(asJSON, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.files = func(file string) ([]byte, error) { return fs.ReadFile(dir, path.Join(path.Dir(name), file)) }
	if err := compileAll(reflect.ValueOf(&d).Elem()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &d, nil
}

// File reads a document that the definition names, such as "events/asyncapi.yaml".
func (d *Definition) File(name string) ([]byte, error) { return d.files(name) }

func unmarshalStrict(data []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(out)
}

func compileAll(v reflect.Value) error {
	if v.Type() == reflect.TypeFor[Value]() {
		return v.Addr().Interface().(*Value).compile(expression.Delivery, expression.Any)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return compileAll(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if err := compileAll(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := compileAll(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(key))
			if err := compileAll(item); err != nil {
				return err
			}
			v.SetMapIndex(key, item)
		}
	}
	return nil
}
