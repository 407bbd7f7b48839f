// Package cdrfile delivers files of CDRs: into a directory, to an HTTPS or SFTP server. A
// delivery may be repeated; the file that comes again has the same name and replaces the
// first.
package cdrfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollbook/tollbook/projections/outside"
)

// within bounds a delivery to a server.
const within = time.Minute

// Target is where files go: a directory, or a server.
type Target struct {
	// Base is the directory that nothing is written outside of, Directory a path below it.
	Base, Directory string
	// URL is an https or sftp address; the file's name comes behind it. Token, if there is
	// one, is sent as a bearer token; to an SFTP server it is the password or the private key
	// (PEM). CA vouches for an HTTPS server, empty is the system's; HostKey is the key of an
	// SFTP server as known_hosts have it.
	URL, Token, CA, HostKey string
	// Allow are networks that files may be sent to although they are not of the public
	// Internet.
	Allow []netip.Prefix
}

// Put delivers a file. It is there whole, or not at all.
func (t Target) Put(ctx context.Context, name string, data []byte) error {
	if strings.HasPrefix(t.URL, "sftp:") {
		return t.upload(ctx, name, data)
	}
	if t.URL != "" {
		return t.send(ctx, name, data)
	}
	return t.store(name, data)
}

// store writes beside the file's place and renames: who looks sees no half of a file.
func (t Target) store(name string, data []byte) (err error) {
	if err := os.MkdirAll(t.Base, 0o750); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	root, err := os.OpenRoot(t.Base) // links do not lead out of it
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	dir := filepath.FromSlash(t.Directory)
	if err := root.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	partial := filepath.Join(dir, "."+name+".part")
	if err := write(root, partial, data); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	if err := root.Rename(partial, filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	d, err := root.Open(dir)
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func write(root *os.Root, path string, data []byte) error {
	f, err := root.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// send puts the file to the server. It does not go where a redirect leads.
func (t Target) send(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, strings.TrimSuffix(t.URL, "/")+"/"+name, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("send %s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	req.Header.Set("Content-Type", mediaType(name))
	req.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":") // RFC 9530
	if t.Token != "" {
		req.Header.Set("Authorization", "Bearer "+t.Token)
	}
	client, err := t.reach().Client(t.CA)
	if err != nil {
		return fmt.Errorf("send %s: the profile's %w", name, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("send %s: %w", name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	told, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send %s: the server answers %s: %q", name, resp.Status, told)
	}
	return nil
}

// mediaType is what a file is by the ending of its name.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ".csv":
		return "text/csv; charset=utf-8"
	}
	return "text/plain; charset=utf-8"
}

// reach is what files may be sent to.
func (t Target) reach() outside.Reach {
	return outside.Reach{Allow: t.Allow, Setting: "cdr_files.allow"}
}
