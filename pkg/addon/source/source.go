package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// MaxIndex bounds an index in bytes.
const MaxIndex = 8 << 20

// MaxClone is the size in bytes of the disk that Helm Broker has for what it fetches.
const MaxClone = 1 << 30

// Options say how to fetch.
type Options struct {
	// Client makes the calls; nil means one with time-outs.
	Client *http.Client
	// Dir is where clones go; they are removed on Close.
	Dir string
	// Timeout bounds every call and every clone; 0 means two minutes.
	Timeout time.Duration
	// MaxClone bounds a clone in bytes; 0 means MaxClone.
	MaxClone int64
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.MaxClone <= 0 {
		o.MaxClone = MaxClone
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: transport()}
	}
	return o
}

// Repository is a repository that is being read.
type Repository interface {
	// Index returns the index.
	Index(ctx context.Context) ([]byte, error)
	// Addon returns the files of an add-on, by the key and the version that the index has.
	Addon(ctx context.Context, key, version string) (addon.Tree, error)
	// Close removes what was fetched.
	Close() error
}

// NotFetched means that an add-on is not there, or could not be fetched, as opposed to one that is wrong.
type NotFetched struct{ Err error }

// Error implements error.
func (e *NotFetched) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *NotFetched) Unwrap() error { return e.Err }

// Open opens the repository at a location whose placeholders are filled. git and hg need the program of that name.
func Open(ctx context.Context, l *Location, o Options) (Repository, error) {
	o = o.withDefaults()
	switch l.Getter {
	case HTTPS, HTTP:
		return openWeb(l, o)
	case Git:
		return openGit(ctx, l, o)
	case Hg:
		return openHg(ctx, l, o)
	case S3:
		return openS3(ctx, l, o)
	default:
		return nil, fmt.Errorf("nobody fetches by %q", l.Getter)
	}
}

var errTooLarge = errors.New("is too large")
