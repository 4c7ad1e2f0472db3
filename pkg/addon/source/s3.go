package source

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bucket is where a repository in S3, or something that speaks like it, is.
type bucket struct {
	endpoint string // scheme and host
	region   string
	name     string
	prefix   string // of the keys; without a slash at its end
	keys     s3Keys
}

type s3Keys struct{ id, secret, token string }

// parseS3 takes an address apart as Helm Broker's fetcher does: the bucket is the first part of the path, unless the host
// of AWS names it.
func parseS3(address string) (b bucket, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return b, errors.New("is no address of a bucket; write s3::https://s3-REGION.amazonaws.com/BUCKET/PATH//index.yaml")
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	whole, q := strings.TrimPrefix(u.Path, "/"), u.Query()
	b = bucket{endpoint: u.Scheme + "://" + u.Host, region: q.Get("region"), name: first, prefix: rest}
	if host := strings.Split(u.Host, "."); strings.Contains(u.Host, "amazonaws.com") {
		switch len(host) {
		case 3: // s3-REGION.amazonaws.com/BUCKET
			b.region = strings.TrimPrefix(strings.TrimPrefix(host[0], "s3-"), "s3")
		case 4: // BUCKET.s3-REGION.amazonaws.com
			b.region, b.name, b.prefix = strings.TrimPrefix(strings.TrimPrefix(host[1], "s3-"), "s3"), host[0], whole
		case 5: // BUCKET.s3.REGION.amazonaws.com
			b.region, b.name, b.prefix = host[2], host[0], whole
		default:
			return b, errors.New("is no host of S3 that Helm Broker knows; write s3-REGION.amazonaws.com")
		}
	}
	if b.region == "" {
		b.region = "us-east-1"
	}
	b.prefix = strings.Trim(b.prefix, "/")
	if b.name == "" {
		return b, errors.New("names no bucket; write s3::https://s3-REGION.amazonaws.com/BUCKET/PATH//index.yaml")
	}
	b.keys = s3Keys{q.Get("aws_access_key_id"), q.Get("aws_access_key_secret"), q.Get("aws_access_token")}
	if b.keys.id == "" || b.keys.secret == "" {
		return b, errors.New("holds no credentials, and Helm Broker has none of its own outside of AWS; write ?aws_access_key_id={id}&aws_access_key_secret={secret}, with the two keys in a Secret")
	}
	if strings.Contains(b.keys.id+b.keys.secret+b.keys.token, " ") {
		return b, errors.New("holds a + in its credentials, which stands for a blank there; write it as %2B, in the Secret too")
	}
	return b, nil
}

// openS3 fetches everything below the prefix, as Helm Broker does.
func openS3(ctx context.Context, l *Location, o Options) (repository *clone, err error) {
	b, err := parseS3(l.Address)
	if err != nil {
		return nil, fmt.Errorf("the address %w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "connectors-bucket-")
	if err != nil {
		return nil, err
	}
	c := &clone{dir: dir, files: filepath.Join(dir, "files"), index: l.Index}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := os.Mkdir(c.files, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(c.files)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	objects, err := b.list(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, key := range objects {
		if err := b.save(ctx, o, root, key); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// maxObjects bounds the objects below a prefix.
const maxObjects = 50000

// list are the keys below the prefix.
func (b *bucket) list(ctx context.Context, o Options) ([]string, error) {
	var keys []string
	var total int64
	for marker := ""; ; {
		query := url.Values{"prefix": {b.prefix}}
		if marker != "" {
			query.Set("marker", marker)
		}
		answer, err := b.get(ctx, o, "", query)
		if err != nil {
			return nil, err
		}
		var page struct {
			IsTruncated bool
			Contents    []struct {
				Key  string
				Size int64
			}
		}
		data, err := bounded(answer, MaxIndex)
		if err = errors.Join(err, answer.Close()); err == nil {
			err = xml.Unmarshal(data, &page)
		}
		if err != nil {
			return nil, fmt.Errorf("the list of the bucket cannot be read: %w", err)
		}
		for _, object := range page.Contents {
			marker = object.Key
			total += object.Size
			if !strings.HasSuffix(object.Key, "/") && strings.HasPrefix(object.Key+"/", strings.TrimPrefix(b.prefix+"/", "/")) {
				keys = append(keys, object.Key)
			}
		}
		switch {
		case total > o.MaxClone:
			return nil, fmt.Errorf("what is in the bucket %w: Helm Broker has %d bytes of disk for it; name a path with less in it", errTooLarge, o.MaxClone)
		case len(keys) > maxObjects:
			return nil, fmt.Errorf("more than %d objects; name a path with less in it", maxObjects)
		case !page.IsTruncated || len(page.Contents) == 0:
			return keys, nil
		}
	}
}

// save writes an object to where its key says, in root.
func (b *bucket) save(ctx context.Context, o Options, root *os.Root, key string) error {
	name := strings.TrimPrefix(strings.TrimPrefix(key, b.prefix), "/")
	if !fs.ValidPath(name) {
		return fmt.Errorf("the object %q has a key that is no path; rename it", key)
	}
	if err := root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755); err != nil {
		return err
	}
	answer, err := b.get(ctx, o, key, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	defer answer.Close()
	file, err := root.Create(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	n, err := io.Copy(file, io.LimitReader(answer, o.MaxClone+1))
	if err = errors.Join(err, file.Close()); err == nil && n > o.MaxClone {
		err = errTooLarge
	}
	return err
}

// body is that of an answer; closing it ends the call.
type body struct {
	io.ReadCloser
	stop func()
}

// Close implements io.Closer.
func (b *body) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}

// get asks for an object, or for the bucket where key is empty.
func (b *bucket) get(ctx context.Context, o Options, key string, query url.Values) (io.ReadCloser, error) {
	ctx, stop := context.WithTimeout(ctx, o.Timeout)
	target := b.endpoint + "/" + escapePath(b.name)
	if key != "" {
		target += "/" + escapePath(key)
	}
	if len(query) > 0 {
		target += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		stop()
		return nil, errors.New("is no address that can be called")
	}
	b.sign(r, time.Now())
	answer, err := o.Client.Do(r) //nolint:bodyclose // closing said closes it
	if err != nil {
		stop()
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	said := &body{answer.Body, stop}
	if answer.StatusCode == http.StatusOK {
		return said, nil
	}
	defer func() { _ = said.Close() }() // what it said is read
	var why struct{ Code, Message string }
	if data, err := bounded(said, 64<<10); err == nil {
		_ = xml.Unmarshal(data, &why) // not everybody says so
	}
	return nil, errors.New(strings.TrimSpace("S3 answers " + answer.Status + ": " + strings.Join(strings.Fields(why.Code+" "+why.Message), " ")))
}

// escapePath escapes as the signature wants it: everything but letters, digits and -._~/.
func escapePath(text string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// emptyHash is the SHA-256 of no body.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign adds the Authorization header of AWS Signature Version 4 to a request without a body.
func (b *bucket) sign(r *http.Request, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", emptyHash)
	if b.keys.token != "" {
		r.Header.Set("X-Amz-Security-Token", b.keys.token)
	}
	names, lines := []string{"host"}, map[string]string{"host": r.URL.Host}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		names, lines[name] = append(names, name), strings.TrimSpace(strings.Join(values, ","))
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, name := range names {
		fmt.Fprintf(&headers, "%s:%s\n", name, lines[name])
	}
	signed := strings.Join(names, ";")
	request := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, headers.String(), signed, emptyHash}, "\n")
	digest := sha256.Sum256([]byte(request))
	scope := strings.Join([]string{stamp[:8], b.region, "s3", "aws4_request"}, "/")
	key := []byte("AWS4" + b.keys.secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacOf(key, part)
	}
	signature := hmacOf(key, strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hex.EncodeToString(digest[:])}, "\n"))
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%x", b.keys.id, scope, signed, signature))
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
