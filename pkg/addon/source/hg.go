package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openHg clones a Mercurial repository, with the program hg, as Helm Broker does.
func openHg(ctx context.Context, l *Location, o Options) (repository *clone, err error) {
	u, err := url.Parse(l.Address)
	if err != nil {
		return nil, errors.New("is no address that hg can clone")
	}
	query := u.Query()
	rev := query.Get("rev")
	query.Del("rev")
	u.RawQuery = query.Encode()
	if strings.HasPrefix(rev, "-") {
		return nil, fmt.Errorf("rev=%s is no branch, tag or commit; choose one", rev)
	}
	dir, err := os.MkdirTemp(o.Dir, "connectors-clone-")
	if err != nil {
		return nil, err
	}
	c := &clone{dir: dir, files: filepath.Join(dir, "clone"), index: l.Index}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	run := runner{o: o, dir: dir}
	config, err := run.hgConfig(u)
	if err != nil {
		return nil, err
	}
	run.env = append(run.env, "HGPLAIN=1", "HGRCPATH="+config)
	if err := run.hg(ctx, "clone", "--noupdate", "--", u.String(), c.files); err != nil {
		return nil, err
	}
	update := []string{"update", "--repository", c.files}
	if rev != "" {
		update = append(update, "--rev", rev)
	}
	if err := run.hg(ctx, update...); err != nil {
		return nil, fmt.Errorf("rev=%s: %w", rev, err)
	}
	return c, nil
}

// hgConfig writes the only configuration that hg reads: no hooks and extensions of this machine's, and the password of
// the address, which does not belong on a command line.
func (r *runner) hgConfig(u *url.URL) (file string, err error) {
	text := "[ui]\ninteractive = false\n"
	if password, has := u.User.Password(); has {
		name := u.User.Username()
		if strings.ContainsAny(name+password, "\r\n") {
			return "", errors.New("the name or the password before the host has a line break; remove it")
		}
		u.User = nil
		text += fmt.Sprintf("[auth]\nrepository.prefix = %s://%s\nrepository.username = %s\nrepository.password = %s\n", u.Scheme, u.Host, name, password)
	}
	file = filepath.Join(r.dir, "hgrc")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

func (r *runner) hg(ctx context.Context, args ...string) error {
	return r.program(ctx, "hg", args[0], nil, slices.Concat([]string{"--noninteractive", "--quiet"}, args))
}
