package addonctl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/serve"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/verify"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
)

type serveOptions struct {
	listen            string
	certificate, key  string
	watch             bool
	interval, patient time.Duration
}

func newServe(c *Context) *cobra.Command {
	o := &serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve [DIST|TREE]",
		Short: "Serve a repository over HTTP, to Helm Broker and to Helm",
		Long: `Serve a repository over HTTP or HTTPS: index.yaml, the archives that Helm Broker reads, the packages that
helm repo add reads, SHA256SUMS, and /healthz. Of a built repository (what addonctl build made) the files are
served after a check of their digests; a repository of add-ons is built first, in memory. With --watch, it is
built or read again whenever something changes; if that fails, what was served last stays, and the error says why.

Archives go out as they are, never with a Content-Encoding, which Helm Broker would stumble over; ranges and
ETags work. Helm Broker reads http (not https) addresses only in its development mode. The address is printed
once it can be called. SIGINT or SIGTERM ends it, after running downloads.

Exit code 0: it was ended. 1: it could not go on serving. 2: there is nothing to serve, or a flag is wrong.`,
		Example: `  addonctl serve
  addonctl serve --watch --listen :8080
  addonctl serve dist --tls-cert tls.crt --tls-key tls.key --listen :8443`,
		Args: cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address to listen on; port 0 means a free one")
	f.StringVar(&o.certificate, "tls-cert", "", "file with the certificate chain (PEM): serve https")
	f.StringVar(&o.key, "tls-key", "", "file with the certificate's private key (PEM)")
	f.BoolVar(&o.watch, "watch", false, "serve what is there, also when it changes")
	f.DurationVar(&o.interval, "watch-interval", time.Second, "time between two looks at the files")
	f.DurationVar(&o.patient, "shutdown-timeout", 10*time.Second, "how long running downloads may take after the end")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.interval <= 0 || o.patient <= 0 {
			return cli.Config(errors.New("--watch-interval and --shutdown-timeout must be longer than 0"))
		}
		site, err := c.site(args)
		if err != nil {
			return err
		}
		return o.run(cmd.Context(), c, site, *output)
	}
	return cmd
}

// site is what is served: a built repository or a repository of add-ons.
type site struct {
	dir   string
	load  func(ctx context.Context) (addon.Tree, int, error)
	state func() (string, error)
}

func (c *Context) site(args []string) (*site, error) {
	if len(args) > 0 {
		if _, err := os.Stat(filepath.Join(args[0], addon.SumsFile)); err == nil {
			return distSite(args[0]), nil
		}
		repo, err := addon.OpenRepository(args[0])
		if err != nil {
			return nil, cli.Config(fmt.Errorf("%s is neither a built repository (no %s) nor one of add-ons (no %s directory); name one of them",
				args[0], addon.SumsFile, addon.AddonsDir))
		}
		return c.treeSite(repo), nil
	}
	repo, err := c.Repo()
	if err != nil {
		return nil, err
	}
	return c.treeSite(repo), nil
}

func distSite(dir string) *site {
	return &site{
		dir: dir,
		load: func(context.Context) (addon.Tree, int, error) {
			report, tree, err := verify.Dist(dir)
			if err != nil {
				return tree, 0, cli.Config(err)
			}
			if len(report.Problems) > 0 {
				return tree, 0, cli.Config(fmt.Errorf("%s; addonctl verify %s shows all of %s", report.Problems[0], dir, count(len(report.Problems), "problem")))
			}
			return tree, len(report.Addons), nil
		},
		state: func() (string, error) { return serve.State(dir, ".") },
	}
}

func (c *Context) treeSite(repo *addon.Repository) *site {
	return &site{
		dir: repo.Dir(),
		load: func(ctx context.Context) (addon.Tree, int, error) {
			result, tree, err := c.build(ctx, repo, packer(c.cache(false)))
			if err != nil {
				return tree, 0, err
			}
			return tree, len(result.Addons), nil
		},
		state: func() (string, error) { return serve.State(repo.Dir(), addon.AddonsDir, addon.ChartsDir) },
	}
}

type served struct {
	URL    string `json:"url"`
	Index  string `json:"index"`
	Addons int    `json:"addons"`
}

func (o *serveOptions) run(ctx context.Context, c *Context, s *site, output format) error {
	certificate, err := o.tls()
	if err != nil {
		return cli.Config(err)
	}
	before, err := s.state() // what changes while it is being built counts
	if err != nil {
		return cli.Config(err)
	}
	tree, addons, err := s.load(ctx)
	if err != nil {
		return err
	}
	handler := serve.New(tree)
	server, err := httpserver.Listen(ctx, o.listen, httpserver.Options{
		Name: "repository", Handler: handler, TLS: certificate, MaxConnections: 512, WriteTimeout: 5 * time.Minute,
	})
	if err != nil {
		return cli.Config(err)
	}
	scheme := "http"
	if certificate != nil {
		scheme = "https"
	}
	at := served{URL: scheme + "://" + server.Addr().String(), Addons: addons}
	at.Index = at.URL + "/" + addon.IndexFile

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wait sync.WaitGroup
	if o.watch {
		wait.Go(func() {
			serve.Watch(ctx, o.interval, before, s.state, func() { s.reload(ctx, c, handler) })
		})
	}
	failed := make(chan error, 1)
	wait.Go(func() { failed <- server.Serve() })
	err = c.print(output, at, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nserves %s of %s; %s says whether it runs\n", at.Index, count(addons, "add-on"), s.dir, at.URL+serve.HealthPath)
		return err
	})
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	stop()
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.patient)
	defer cancel()
	err = errors.Join(err, server.Shutdown(patience))
	wait.Wait()
	return err
}

// reload serves what is there now, or says why it goes on with what was there before.
func (s *site) reload(ctx context.Context, c *Context, handler *serve.Handler) {
	tree, addons, err := s.load(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		fmt.Fprintf(c.Streams.Err, "not served, what was there before stays: %v\n", err)
		return
	}
	handler.Replace(tree)
	fmt.Fprintf(c.Streams.Err, "%s changed: %s served anew\n", s.dir, count(addons, "add-on"))
}

// tls is the certificate of the flags; nil where there is none.
func (o *serveOptions) tls() (*tls.Config, error) {
	if (o.certificate == "") != (o.key == "") {
		return nil, errors.New("--tls-cert and --tls-key go together; name both")
	}
	if o.certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
