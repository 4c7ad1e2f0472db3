package addon

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ReadArchive reads a packed add-on or chart (a gzipped tar). It accepts only what the broker handles
// safely: regular files and directories with relative names, each once, within limits.
func ReadArchive(r io.Reader, limits Limits) (Tree, error) {
	packed := &countingReader{r: r, most: limits.Archive}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return Tree{}, packed.explain(fmt.Errorf("not a gzip archive: %w", err))
	}
	a := archiveReader{budget: budget{limits: limits}, packed: packed, seen: map[string]bool{}}
	// Headers and padding come on top of the content.
	bounded := io.LimitReader(unzipped, limits.Total+int64(limits.Entries)*4096+1<<20)
	files := tar.NewReader(bounded)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Tree{}, packed.explain(fmt.Errorf("damaged archive: %w", err))
		}
		if err := a.entry(header, files); err != nil {
			return Tree{}, packed.explain(err)
		}
	}
	// The checksum comes last.
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return Tree{}, packed.explain(fmt.Errorf("damaged archive: %w", err))
	}
	return NewTree(a.files)
}

// ArchiveEntry is one entry of an archive as it is, however unfit.
type ArchiveEntry struct {
	Name  string
	Dir   bool
	File  bool // a regular file
	Mode  int64
	Plain bool // no owner, no time: what makes builds identical
}

// ListArchive lists the entries of an archive without judging them, within limits.
func ListArchive(r io.Reader, limits Limits) ([]ArchiveEntry, error) {
	packed := &countingReader{r: r, most: limits.Archive}
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return nil, packed.explain(fmt.Errorf("not a gzip archive: %w", err))
	}
	var entries []ArchiveEntry
	files := tar.NewReader(io.LimitReader(unzipped, limits.Total+int64(limits.Entries)*4096+1<<20))
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, packed.explain(fmt.Errorf("damaged archive: %w", err))
		}
		if len(entries) >= limits.Entries {
			return nil, fmt.Errorf("more than %d files and directories; remove what does not belong to the add-on", limits.Entries)
		}
		entries = append(entries, ArchiveEntry{
			Name: h.Name, Dir: h.Typeflag == tar.TypeDir, File: h.Typeflag == tar.TypeReg, Mode: h.Mode,
			Plain: h.Uid == 0 && h.Gid == 0 && h.Uname == "" && h.Gname == "" && h.ModTime.Unix() == 0 && unzipped.ModTime.IsZero(),
		})
	}
}

// CheckArchive says what keeps Helm Broker from unpacking an archive as it was meant, although it is a sound
// one: directories without an entry before their files, and everything inside one directory.
func CheckArchive(data []byte) error {
	entries, err := ListArchive(bytes.NewReader(data), DefaultLimits())
	if err != nil {
		return err
	}
	made, atRoot, below := map[string]bool{".": true}, false, ""
	for _, e := range entries {
		name := path.Clean(e.Name)
		switch {
		case e.Dir:
			made[name] = true
		case !made[path.Dir(name)]:
			return fmt.Errorf("no entry for the directory %s comes before %s, so that Helm Broker cannot unpack it; pack the archive with addonctl package", path.Dir(name), name)
		case name == MetaFile:
			atRoot = true
		case path.Base(name) == MetaFile && strings.Count(name, "/") == 1 && name != path.Join(DocsDir, MetaFile):
			below = path.Dir(name)
		}
	}
	if !atRoot && below != "" {
		return fmt.Errorf("everything lies in the directory %s, where Helm Broker does not look; pack the archive with addonctl package", below)
	}
	return nil
}

// ReadArchiveBytes is ReadArchive for an archive in memory, with the default limits.
func ReadArchiveBytes(data []byte) (Tree, error) {
	return ReadArchive(bytes.NewReader(data), DefaultLimits())
}

type archiveReader struct {
	budget budget
	packed *countingReader
	seen   map[string]bool
	files  []File
}

func (a *archiveReader) entry(header *tar.Header, content io.Reader) error {
	name := path.Clean(header.Name)
	switch {
	case strings.HasPrefix(header.Name, "/") || strings.Contains(header.Name, `\`) || (len(name) > 1 && name[1] == ':'):
		return fmt.Errorf("entry %q: not a relative name; pack the archive with addonctl package", header.Name)
	case name == ".." || strings.HasPrefix(name, "../") || strings.Contains("/"+header.Name+"/", "/../"):
		return fmt.Errorf("entry %q: contains ..; pack the archive with addonctl package", header.Name)
	case !printable(header.Name):
		return fmt.Errorf("entry %q: the name is no UTF-8 text of printable characters; rename the file", header.Name)
	case a.seen[name]:
		return fmt.Errorf("entry %q: occurs twice; pack the archive with addonctl package", header.Name)
	}
	a.seen[name] = true
	if err := a.budget.entry(name, strings.Count(name, "/")); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeReg:
	default:
		return fmt.Errorf("entry %q: neither a file nor a directory, which Helm Broker would skip silently; pack the archive with addonctl package", header.Name)
	}
	if err := a.budget.file(name, header.Size); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(content, a.budget.limits.File+1))
	if err != nil {
		return fmt.Errorf("entry %q: %w", header.Name, err)
	}
	if most := a.budget.limits.Ratio; a.budget.total > 1<<20 && a.budget.total > most*a.packed.read {
		return fmt.Errorf("entry %q: unpacks to more than %d times its size; the archive looks like a bomb", header.Name, most)
	}
	a.files = append(a.files, File{Path: name, Data: data, Executable: header.Mode&0o100 != 0})
	return nil
}

// printable says whether a name is text that every system and every terminal takes.
func printable(name string) bool {
	return utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsControl) < 0
}

// countingReader counts what is read and ends with an error after most bytes.
type countingReader struct {
	r          io.Reader
	read, most int64
}

var errArchiveTooLarge = errors.New("archive too large")

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	if c.read > c.most {
		return 0, errArchiveTooLarge
	}
	n, err := c.r.Read(p)
	c.read += int64(n)
	return n, err
}

// explain replaces an error that only follows from the size.
func (c *countingReader) explain(err error) error {
	if c.read > c.most {
		return fmt.Errorf("archive larger than %d bytes; remove what does not belong to the add-on", c.most)
	}
	return err
}
