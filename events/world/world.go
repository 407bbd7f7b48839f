// Package world reads a declared configuration, a YAML document that people keep
// in their version control, and finds what of the catalog it would change. It
// adds and edits what the document names; it removes only what is listed under
// "remove".
package world

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// MaxBytes bounds a document.
const MaxBytes = 64 << 20

// Passwords makes and checks the hashes of users' passwords.
type Passwords interface {
	// Hash makes the argon2id text of a password.
	Hash(password string) (string, error)
	// Matches tells whether a hash is one of the password.
	Matches(hash, password string) bool
}

// Secrets wraps what must not be read in the book, under the name of the entity
// that it belongs to, with the cluster key.
type Secrets interface {
	Wrap(name string, secret []byte) ([]byte, error)
	Unwrap(name string, wrapped []byte) ([]byte, error)
}

// Difference is one entity that would change. Before is nil for a new one, After
// for one that goes.
type Difference struct {
	Ref           catalog.Ref
	Before, After *wire.Entity
}

// Edit is what a document asks for.
type Edit struct {
	Differences []Difference
	Changes     []*wire.ExpectedChange
	// Blobs are the canonical rows of new deck versions by their SHA-256; they
	// must be stored before the changes are executed.
	Blobs map[[32]byte][]byte
}

// Read reads a document and compares it with a catalog. An error names the place
// in the document.
func Read(data []byte, cat *catalog.State, pw Passwords, sec Secrets) (*Edit, error) {
	if len(data) > MaxBytes {
		return nil, events.Invalid("the document has %d bytes; at most %d are allowed", len(data), MaxBytes)
	}
	doc, err := parse(data)
	if err != nil {
		return nil, err
	}
	e := &edit{Edit: Edit{Blobs: map[[32]byte][]byte{}}, cat: cat, pw: pw, sec: sec, realm: digest.RealmOf(cat.Settings())}
	if s := doc.Settings; s != nil && s.Realm != "" {
		e.realm = s.Realm
	}
	if err := e.all(doc); err != nil {
		return nil, err
	}
	if err := e.realmed(); err != nil {
		return nil, err
	}
	return &e.Edit, nil
}

// What the YAML library says of Go's types means nothing to whoever wrote the file.
var (
	goType = regexp.MustCompile(`field (\S+) not found in type \S+`)
	goInto = regexp.MustCompile(` into (\[\])?\S+$`)
)

// parse decodes strictly: an unknown key is an error that names its line.
func parse(data []byte) (*document, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	doc := new(document)
	if err := d.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, events.Invalid("the document is empty")
		}
		var te *yaml.TypeError
		if errors.As(err, &te) {
			return nil, events.Invalid("%s", goInto.ReplaceAllString(goType.ReplaceAllString(te.Errors[0], `unknown key "$1"`), " here"))
		}
		return nil, events.Invalid("%v", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, events.Invalid("only one document is allowed; there is a second one after ---")
	}
	return doc, nil
}

// edit gathers the changes of a document.
type edit struct {
	Edit
	cat *catalog.State
	pw  Passwords
	sec Secrets
	// realm is the one that passwords are for when the document is applied.
	realm string
}

// put adds an entity to the edit if the catalog has it not, or otherwise.
func (e *edit) put(m any) {
	after := catalog.EntityOf(m)
	ref := catalog.RefOf(after)
	before, _ := e.cat.Get(ref)
	if before.Entity != nil && proto.Equal(before.Entity, after) {
		return
	}
	e.Differences = append(e.Differences, Difference{Ref: ref, Before: before.Entity, After: after})
	e.Changes = append(e.Changes, &wire.ExpectedChange{
		Change: &wire.Change{Entity: after}, ExpectedVersion: uint64(before.Version), Absent: before.Entity == nil,
	})
}

func (e *edit) remove(kind catalog.Kind, id string) error {
	ref := catalog.Ref{Kind: kind, ID: id}
	it, ok := e.cat.Get(ref)
	if !ok {
		return nil // gone already: applying twice is the same as once
	}
	e.Differences = append(e.Differences, Difference{Ref: ref, Before: it.Entity})
	e.Changes = append(e.Changes, &wire.ExpectedChange{
		Change: &wire.Change{Entity: it.Entity, Remove: true}, ExpectedVersion: uint64(it.Version),
	})
	return nil
}

// version adds the next version of a deck, unless its newest one has the same rows.
func (e *edit) version(deck string, d *deck) error {
	if d.File != "" {
		return events.Invalid("rows in a file are read by the apply command; here they must stand under rows")
	}
	if d.Rows == "" {
		return nil
	}
	rows, err := rating.ParseCSV([]byte(d.Rows))
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	blob := rating.Canonical(rows)
	digest := sha256.Sum256(blob)
	number := uint64(1)
	if old := e.cat.Versions(deck); len(old) > 0 {
		newest := old[len(old)-1]
		if bytes.Equal(newest.Digest, digest[:]) {
			return nil
		}
		number = newest.Number + 1
	}
	v := &wire.DeckVersion{
		Id: catalog.VersionID(deck, number), Deck: deck, Number: number,
		Digest: digest[:], Rows: uint32(len(rows)), Source: d.Source,
	}
	v.Bands, v.OriginSets = rating.Named(rows)
	if d.EffectiveFrom != "" {
		at, err := time.Parse(time.RFC3339, d.EffectiveFrom)
		if err != nil {
			return events.Invalid("effective_from %q is not a time such as 2026-12-01T00:00:00Z", d.EffectiveFrom)
		}
		v.EffectiveFromUs = at.UnixMicro()
	}
	e.Blobs[digest] = blob
	e.put(v)
	return nil
}
