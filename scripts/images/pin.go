package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// pin writes the digests that build noted into the values that name the images, each on a line such as
//
//	eventGateway: {repository: event-gateway, tag: "", digest: ""}
//
// and touches nothing else, comments included.
func pin(o options) error {
	data, err := os.ReadFile(filepath.Join(o.out, "digests.json"))
	if err != nil {
		return fmt.Errorf("%w: run make images first", err)
	}
	var digests map[string]string
	if err := json.Unmarshal(data, &digests); err != nil {
		return fmt.Errorf("digests.json: %w", err)
	}
	values, err := os.ReadFile(o.values)
	if err != nil {
		return err
	}
	for _, image := range slices.Sorted(maps.Keys(digests)) {
		if _, err := v1.NewHash(digests[image]); err != nil {
			return fmt.Errorf("digests.json: %s: %w", image, err)
		}
		line := regexp.MustCompile(`(\{repository: ` + regexp.QuoteMeta(image) + `,.*digest: )"[^"]*"`)
		if n := len(line.FindAll(values, -1)); n != 1 {
			return fmt.Errorf("%s: %d lines hold the digest of %s: want one, {repository: %s, …, digest: \"\"}", o.values, n, image, image)
		}
		values = line.ReplaceAll(values, []byte(`${1}"`+digests[image]+`"`))
	}
	return os.WriteFile(o.values, values, 0o644)
}
