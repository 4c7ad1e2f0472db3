package registration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Document is a JSON object that is read when it is needed: of many, only those that are being written are in memory.
type Document struct {
	read   func() (json.RawMessage, error)
	digest string
	// checked says that it was an object when it was read first.
	checked bool
}

// NewDocument is the document that read returns each time. It is read once, to see what it is.
func NewDocument(read func() (json.RawMessage, error)) (*Document, error) {
	content, err := read()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return &Document{read: read, digest: hex.EncodeToString(sum[:]), checked: jsonObject(content)}, nil
}

// Inline is a document that is in memory anyway.
func Inline(content json.RawMessage) *Document {
	d, _ := NewDocument(func() (json.RawMessage, error) { return content, nil }) // which fails never
	return d
}

// JSON reads the document.
func (d *Document) JSON() (json.RawMessage, error) { return d.read() }

// sum is a digest of the content; empty for no document.
func (d *Document) sum() string {
	if d == nil {
		return ""
	}
	return d.digest
}
