package source

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func openGit(ctx context.Context, l *Location, o Options) (repository *clone, err error) {
	u, err := url.Parse(l.Address)
	if err != nil {
		return nil, errors.New("is no address that git can clone")
	}
	query := u.Query()
	ref, depth, key := query.Get("ref"), query.Get("depth"), query.Get("sshkey")
	for _, own := range []string{"ref", "depth", "sshkey"} {
		query.Del(own)
	}
	u.RawQuery = query.Encode()
	if strings.HasPrefix(ref, "-") {
		return nil, fmt.Errorf("ref=%s is no branch, tag or commit; choose one", ref)
	}
	if n, err := strconv.Atoi(depth); depth != "" && (err != nil || n < 1) {
		return nil, fmt.Errorf("depth=%s is no number of commits; write depth=1", depth)
	}
	dir, err := os.MkdirTemp(o.Dir, "connectors-clone-")
	if err != nil {
		return nil, err
	}
	g := &clone{dir: dir, files: filepath.Join(dir, "clone"), index: l.Index}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	run := runner{o: o, dir: dir}
	run.password(u)
	if key != "" {
		if err := run.sshKey(key); err != nil {
			return nil, err
		}
	}
	args := []string{"clone", "--quiet"}
	if depth != "" {
		args = append(args, "--depth", depth)
		if ref != "" {
			args = append(args, "--branch", ref)
		}
	}
	if err := run.git(ctx, append(args, "--", u.String(), g.files)...); err != nil {
		return nil, err
	}
	if ref != "" && depth == "" {
		if err := run.git(ctx, "-C", g.files, "checkout", "--quiet", ref, "--"); err != nil {
			return nil, fmt.Errorf("ref=%s: %w", ref, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(g.files, ".gitmodules")); err == nil {
		if err := run.git(ctx, "-C", g.files, "submodule", "--quiet", "update", "--init", "--recursive"); err != nil {
			return nil, fmt.Errorf("submodules: %w", err)
		}
	}
	return g, nil
}

// Checkout puts the tree of a commit of a local repository into a directory of its own, with its links. release
// removes it.
func Checkout(ctx context.Context, dir, ref string) (checkout string, release func() error, err error) {
	if ref == "" || strings.HasPrefix(ref, "-") {
		return "", nil, fmt.Errorf("%q is no branch, tag or commit; choose one", ref)
	}
	work, err := os.MkdirTemp("", "connectors-base-")
	if err != nil {
		return "", nil, err
	}
	release = func() error { return os.RemoveAll(work) }
	run := runner{o: Options{}.withDefaults(), dir: work}
	clone := filepath.Join(work, "clone")
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}").Output()
	commit := strings.TrimSpace(string(out))
	if err != nil || commit == "" {
		return "", nil, errors.Join(fmt.Errorf("%s: no commit of the git repository that %s lies in; fetch it, or name another one", ref, dir), release())
	}
	top, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--show-toplevel").Output()
	if err == nil {
		err = run.git(ctx, "clone", "--quiet", "--shared", "--no-checkout", "--", strings.TrimSuffix(string(top), "\n"), clone)
	}
	if err == nil {
		err = run.git(ctx, "-C", clone, "checkout", "--quiet", "--detach", commit, "--")
	}
	if err != nil {
		return "", nil, errors.Join(err, release())
	}
	inside, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--show-prefix").Output()
	return filepath.Join(clone, filepath.FromSlash(strings.TrimSpace(string(inside)))), release, err
}

type runner struct {
	o   Options
	dir string
	env []string
}

// sshKey lets git use a private key, in base64 as Helm Broker takes it.
func (r *runner) sshKey(encoded string) error {
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return errors.New("sshkey is not base64; encode the private key")
	}
	file := filepath.Join(r.dir, "key")
	if err := os.WriteFile(file, append(bytes.TrimSpace(key), '\n'), 0o600); err != nil {
		return err
	}
	r.env = append(r.env, "GIT_SSH_COMMAND=ssh -i '"+strings.ReplaceAll(file, "'", `'\''`)+"' -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=accept-new")
	return nil
}

// password takes user and password out of an address and hands them to git by its environment: arguments can be
// seen by everybody on the machine.
func (r *runner) password(u *url.URL) {
	if _, ok := u.User.Password(); !ok || u.Scheme != "https" && u.Scheme != "http" {
		return
	}
	password, _ := u.User.Password()
	basic := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
	u.User = nil
	r.env = append(r.env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http."+u.Scheme+"://"+u.Host+"/.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+basic)
}

// git runs git without asking anybody anything, without hooks, and stops it when it takes too long or too much.
func (r *runner) git(ctx context.Context, args ...string) error {
	const as = "GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=https:http:ssh:git:file GIT_LFS_SKIP_SMUDGE=1"
	return r.program(ctx, "git", args[0], strings.Fields(as),
		slices.Concat([]string{"-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=true", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false"}, args))
}

// program runs git or hg; verb is what it does.
func (r *runner) program(ctx context.Context, name, verb string, env, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var conversation bytes.Buffer
	cmd.Stderr = &conversation
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = slices.Concat(os.Environ(), r.env, env, []string{"LC_ALL=C"})
	watched, stop := context.WithCancel(ctx)
	tooLarge := make(chan bool, 1)
	go func() { tooLarge <- r.guard(watched, cancel) }()
	err := cmd.Run()
	stop()
	switch {
	case <-tooLarge || err == nil && size(r.dir) > r.o.MaxClone:
		less := "make the repository smaller"
		if name == "git" {
			less += ", or write depth=1"
		}
		return fmt.Errorf("the clone %w: Helm Broker has %d bytes of disk for it; %s", errTooLarge, r.o.MaxClone, less)
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s is not installed here, and Helm Broker needs it to read such an address; install it", name)
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s took longer than %s: %w", name, verb, r.o.Timeout, ctx.Err())
	default:
		return errors.New(name + ": " + withoutCredentials(lastLine(conversation.String())))
	}
}

// guard ends a clone that grows beyond its limit, and says whether it did.
func (r *runner) guard(ctx context.Context, cancel func()) bool {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
		if size(r.dir) > r.o.MaxClone {
			cancel()
			return true
		}
	}
}

// size is what lies below a directory, in bytes. What is gone before it is looked at does not count.
func size(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // gone already
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// lastLine is the last line that says something: git puts the cause there.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range slices.Backward(lines) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "fatal:") || strings.HasPrefix(l, "error:") || strings.HasPrefix(l, "abort:") {
			return l
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// withoutCredentials leaves out what stands before the host of an address.
func withoutCredentials(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if before, after, ok := strings.Cut(w, "@"); ok {
			if scheme, _, ok := strings.Cut(before, "://"); ok {
				words[i] = scheme + "://" + after
			}
		}
	}
	return strings.Join(words, " ")
}
