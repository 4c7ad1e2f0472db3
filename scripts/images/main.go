// Command images makes container images of static binaries, without Docker, and pushes them.
//
//	images build -binaries DIR -out DIR -registry R -version V NAME...
//	images push  -out DIR -registry R -version V NAME...
//	images pin   -out DIR -values FILE
//
// build reads DIR/linux_<arch>/NAME and writes, for each name,
//
//	OUT/NAME                            an OCI image layout with all platforms
//	OUT/NAME_VERSION_linux_<arch>.tar   one platform, for `ctr images import` and `docker load`
//
// and OUT/digests.json, name -> digest of the image index. The same binaries, version, revision and time
// give the same bytes. push uploads the layouts; pin writes the digests into a chart's values.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("want a command: build, push or pin")
	}
	var o options
	flags := flag.NewFlagSet("images "+args[0], flag.ContinueOnError)
	flags.StringVar(&o.out, "out", "dist/images", "directory of the images")
	if args[0] != "pin" {
		flags.StringVar(&o.registry, "registry", "", "registry and path, such as ghcr.io/kyma-connectors")
		flags.StringVar(&o.version, "version", "", "tag of the images")
	}
	var work func(context.Context, options, []string, io.Writer) error
	switch args[0] {
	case "build":
		work = build
		flags.StringVar(&o.binaries, "binaries", "", "directory with linux_<arch>/NAME")
		flags.StringVar(&o.platforms, "platforms", "amd64,arm64", "architectures, separated by commas")
		flags.StringVar(&o.revision, "revision", "", "commit that the binaries are built from")
		flags.StringVar(&o.source, "source", "", "address of the sources")
		flags.StringVar(&o.user, "user", nonRoot, "user and group of the process")
		flags.Int64Var(&o.created, "created", 0, "seconds since 1970: the commit's time, so that images can be made again")
	case "push":
		work = push
		flags.BoolVar(&o.insecure, "insecure", false, "also speak HTTP, or HTTPS with an unknown certificate; this machine's own registries need no flag")
	case "pin":
		flags.StringVar(&o.values, "values", "", "values.yaml that names the images")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return pin(o)
	default:
		return fmt.Errorf("unknown command %q: want build, push or pin", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch {
	case o.registry == "":
		return errors.New("-registry is missing: registry and path, such as ghcr.io/kyma-connectors")
	case o.version == "":
		return errors.New("-version is missing: the tag, such as 0.1.0")
	case flags.NArg() == 0:
		return errors.New("name the images")
	}
	o.registry = strings.TrimSuffix(o.registry, "/")
	return work(ctx, o, flags.Args(), out)
}

type options struct {
	binaries, out, values, platforms    string
	registry, version, revision, source string
	user                                string
	created                             int64
	insecure                            bool
}

func (o options) reference(image string) string { return o.registry + "/" + image + ":" + o.version }

func build(_ context.Context, o options, names []string, out io.Writer) error {
	digests := map[string]string{}
	for _, image := range names {
		index, err := buildImage(o, image)
		if err != nil {
			return fmt.Errorf("%s: %w", image, err)
		}
		digests[image] = index
		if _, err := fmt.Fprintf(out, "%s  %s\n", index, o.reference(image)); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(digests, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "digests.json"), append(data, '\n'), 0o644)
}

func buildImage(o options, image string) (string, error) {
	if _, err := name.NewTag(o.reference(image), name.StrictValidation); err != nil {
		return "", err
	}
	var platforms []platformImage
	for _, arch := range strings.Split(o.platforms, ",") {
		binary := filepath.Join(o.binaries, "linux_"+arch, image)
		img, err := newImage(binary, arch, metadata{
			name: image, version: o.version, revision: o.revision, source: o.source, user: o.user, created: time.Unix(o.created, 0).UTC(),
		})
		if err != nil {
			return "", err
		}
		archive := filepath.Join(o.out, fmt.Sprintf("%s_%s_linux_%s.tar", image, o.version, arch))
		if err := writeArchive(archive, img, arch, o.reference(image)); err != nil {
			return "", err
		}
		platforms = append(platforms, platformImage{arch: arch, image: img})
	}
	return writeLayout(filepath.Join(o.out, image), platforms, o.reference(image))
}

// push uploads the layouts that build wrote. The digest in the registry is the one that build printed.
func push(ctx context.Context, o options, names []string, out io.Writer) error {
	var opts []name.Option
	if o.insecure {
		opts = append(opts, name.Insecure)
	}
	for _, image := range names {
		tag, err := name.NewTag(o.reference(image), opts...)
		if err != nil {
			return err
		}
		dir := filepath.Join(o.out, image)
		all, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			return fmt.Errorf("%s: %w: run make images first", dir, err)
		}
		manifest, err := all.IndexManifest()
		if err != nil {
			return err
		}
		if len(manifest.Manifests) != 1 {
			return fmt.Errorf("%s holds %d images instead of one: run make images again", dir, len(manifest.Manifests))
		}
		digest := manifest.Manifests[0].Digest
		index, err := all.ImageIndex(digest)
		if err != nil {
			return err
		}
		if err := remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s  %s\n", digest, tag); err != nil {
			return err
		}
	}
	return nil
}
