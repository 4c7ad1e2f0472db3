package bump

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// Mention is a line that names the version of before, as part of the name of an add-on, an archive or a chart.
type Mention struct {
	// Path is relative to the repository.
	Path string `json:"path"`
	// Line counts from 1.
	Line int `json:"line"`
}

// maxMentioning bounds the files that are looked at, in bytes.
const maxMentioning = 1 << 20

// mentions looks for the name with the version of before where people and templates write it: in the add-on, its chart, the
// documents and the README. What cannot be read is passed over, since nothing depends on it.
func mentions(root *os.Root, key, from, dir string) []Mention {
	name := regexp.MustCompile(`(?:^|[^-A-Za-z0-9])` + regexp.QuoteMeta(key+"-"+from) + `(?:[^0-9]|$)`)
	found := []Mention{}
	for _, top := range []string{dir, path.Join(addon.ChartsDir, key), "docs", "README.md"} {
		_ = fs.WalkDir(root.FS(), top, func(file string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil //nolint:nilerr // see above
			}
			info, err := e.Info()
			if err != nil || info.Size() > maxMentioning {
				return nil //nolint:nilerr // see above
			}
			data, err := root.ReadFile(file)
			if err != nil || !utf8.Valid(data) {
				return nil //nolint:nilerr // see above
			}
			n := 0
			for line := range strings.Lines(string(data)) {
				if n++; name.MatchString(strings.TrimRight(line, "\r\n")) {
					found = append(found, Mention{Path: file, Line: n})
				}
			}
			return nil
		})
	}
	return found
}
