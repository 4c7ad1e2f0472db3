package pages

import (
	"fmt"
	"path"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// maxLines bounds what is shown of a file.
const maxLines = 40

// change says what a line of an example's comment does to the repository, and what is there without it.
func (b *book) change(line string) (fails, passes string) {
	words := strings.Fields(line)
	switch {
	case len(words) > 1 && words[0] == "note":
		return strings.Join(words[1:], " ") + "\n\n", ""
	case len(words) > 3 && words[0] == "replace":
		var name, before, after string
		if _, err := fmt.Sscanf(line, "replace %s %q %q", &name, &before, &after); err != nil {
			return "", ""
		}
		if strings.TrimSpace(after) == "" {
			return fmt.Sprintf("In `%s`, this is missing:\n\n%s", name, block(name, before)), fmt.Sprintf("In `%s`:\n\n%s", name, block(name, before))
		}
		return fmt.Sprintf("In `%s`:\n\n%s", name, block(name, after)), fmt.Sprintf("In `%s`:\n\n%s", name, block(name, before))
	case len(words) == 2 && words[0] == "delete":
		return fmt.Sprintf("`%s` is missing.\n\n", words[1]), fmt.Sprintf("`%s` is there.\n\n", words[1])
	case len(words) == 3 && words[0] == "move":
		return fmt.Sprintf("`%s` is called `%s`.\n\n", words[1], words[2]), fmt.Sprintf("It is called `%s`.\n\n", words[1])
	case len(words) == 3 && words[0] == "copy":
		return fmt.Sprintf("`%s` is there, too, as `%s`.\n\n", words[1], words[2]), fmt.Sprintf("Only `%s` is there.\n\n", words[1])
	case len(words) == 3 && words[0] == "link":
		return fmt.Sprintf("`%s` is a link to `%s`.\n\n", words[1], words[2]), fmt.Sprintf("`%s` is a link that `addonctl link` has made, or is not there.\n\n", words[1])
	case len(words) == 3 && words[0] == "pack":
		return fmt.Sprintf("`%s` is there, an archive of `%s`.\n\n", words[2], words[1]), fmt.Sprintf("Only the directory `%s` is there.\n\n", words[1])
	case len(words) == 3 && words[0] == "grow":
		return fmt.Sprintf("`%s` is larger by %s bytes.\n\n", words[1], words[2]), fmt.Sprintf("`%s` is small.\n\n", words[1])
	default:
		return "", ""
	}
}

func block(name, text string) string {
	text = strings.Trim(text, "\n")
	if lines := strings.Split(text, "\n"); len(lines) > maxLines {
		text = strings.Join(lines[:maxLines], "\n") + "\n…"
	}
	language := map[string]string{".yaml": "yaml", ".json": "json", ".md": "markdown"}[path.Ext(name)]
	if language == "" {
		language = "text"
	}
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + text + "\n" + fence + "\n\n"
}

func shownFile(f txtar.File) string {
	if strings.TrimSpace(string(f.Data)) == "" {
		return fmt.Sprintf("`%s` is empty.\n\n", f.Name)
	}
	return fmt.Sprintf("`%s`:\n\n%s", f.Name, block(f.Name, string(f.Data)))
}

// find is the file of the same name in an archive.
func find(a *txtar.Archive, name string) *txtar.File {
	for i := range a.Files {
		if a.Files[i].Name == name {
			return &a.Files[i]
		}
	}
	return nil
}
