package cdrfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// handshake bounds the time until the server has let us in.
const handshake = 15 * time.Second

// upload puts the file to an SFTP server (RFC 4251 to 4254, draft-ietf-secsh-filexfer-02):
// beside its place, then renamed over it. The server must have the key that the profile pins.
func (t Target) upload(ctx context.Context, name string, data []byte) (err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	to, err := url.Parse(t.URL)
	if err != nil {
		return fmt.Errorf("send %s: %w", name, err)
	}
	client, err := t.login(ctx, to)
	if err != nil {
		return fmt.Errorf("send %s: %w", name, err)
	}
	// A server that hangs is left by closing the connection under what waits for it.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer func() {
		stop()
		_ = client.Close() // the file is there or not by now
		if err != nil {
			err = fmt.Errorf("send %s: %w", name, errors.Join(err, ctx.Err()))
		}
	}()
	files, err := sftp.NewClient(client)
	if err != nil {
		return err
	}
	dir := strings.TrimPrefix(to.Path, "/") // below where the user comes in
	if strings.HasPrefix(dir, "/") {        // sftp://host//srv/in is from the root
		dir = path.Clean(dir)
	}
	place, partial := path.Join(dir, name), path.Join(dir, "."+name+".part")
	if err := writeRemote(files, partial, data); err != nil {
		return fmt.Errorf("%s: %w", partial, err)
	}
	return rename(files, partial, place)
}

func writeRemote(files *sftp.Client, name string, data []byte) error {
	f, err := files.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	n, err := f.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	return errors.Join(err, f.Close())
}

// rename replaces a file, which the protocol's own rename refuses to do: servers that do
// not know the extension for it have the first delivery removed before.
func rename(files *sftp.Client, from, to string) error {
	if _, ok := files.HasExtension("posix-rename@openssh.com"); ok {
		return files.PosixRename(from, to)
	}
	if err := files.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return files.Rename(from, to)
}

// login connects to the server and shows who we are.
func (t Target) login(ctx context.Context, to *url.URL) (*ssh.Client, error) {
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(t.HostKey))
	if err != nil {
		return nil, fmt.Errorf("the profile's host_key is none: %w", err)
	}
	auth := ssh.Password(t.Token)
	if strings.HasPrefix(t.Token, "-----BEGIN ") {
		key, err := ssh.ParsePrivateKey([]byte(t.Token))
		if err != nil {
			return nil, fmt.Errorf("the profile's private key: %w", err)
		}
		auth = ssh.PublicKeys(key)
	}
	address := to.Host
	if to.Port() == "" {
		address = net.JoinHostPort(to.Hostname(), "22")
	}
	conn, err := t.reach().Dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(handshake)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	algorithms := []string{pinned.Type()}
	if pinned.Type() == ssh.KeyAlgoRSA { // the key's type; SHA-1 signatures are not taken
		algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: to.User.Username(), Auth: []ssh.AuthMethod{auth},
		HostKeyCallback: ssh.FixedHostKey(pinned), HostKeyAlgorithms: algorithms,
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return ssh.NewClient(c, channels, requests), conn.SetDeadline(time.Time{})
}
