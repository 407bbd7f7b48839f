package cdrfile

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

func line(k ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey())))
}

// sftpServer takes files into a directory from a user with a password or key.
func sftpServer(t *testing.T) (to Target, dir, private string) {
	t.Helper()
	host, _ := newKey(t)
	user, private := newKey(t)
	config := &ssh.ServerConfig{
		PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if c.User() == "tollbook" && string(password) == "secret" {
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("wrong password")
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if bytes.Equal(key.Marshal(), user.PublicKey().Marshal()) {
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("wrong key")
		},
	}
	config.AddHostKey(host)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	dir = t.TempDir()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveSFTP(conn, config, dir)
		}
	}()
	return Target{URL: "sftp://tollbook@" + l.Addr().String() + "/in", Token: "secret", HostKey: line(host), Allow: loopback}, dir, private
}

func serveSFTP(conn net.Conn, config *ssh.ServerConfig, dir string) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem", nil)
			}
		}()
		s, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(dir))
		if err != nil {
			return
		}
		if err := s.Serve(); errors.Is(err, io.EOF) {
			_ = channel.Close()
		}
	}
}

// TestUpload sends by password and by key; a repetition replaces the file, and no other
// stays beside it.
func TestUpload(t *testing.T) {
	to, dir, private := sftpServer(t)
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("row\n", 100_000)
	for token, text := range map[string]string{"secret": large, private: "x"} {
		to.Token = token
		if err := to.Put(t.Context(), "a.csv", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "in", "a.csv")); err != nil || string(got) != text {
			t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
		}
	}
	if all, err := os.ReadDir(filepath.Join(dir, "in")); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestUploadIsRefused(t *testing.T) {
	stranger, strange := newKey(t)
	for name, c := range map[string]struct {
		spoil func(*Target)
		want  string
	}{
		"address":   {func(t *Target) { t.Allow = nil }, "no address of the public Internet"},
		"host key":  {func(t *Target) { t.HostKey = line(stranger) }, "host key mismatch"},
		"no key":    {func(t *Target) { t.HostKey = "x" }, "host_key is none"},
		"password":  {func(t *Target) { t.Token = "wrong" }, "unable to authenticate"},
		"key":       {func(t *Target) { t.Token = strange }, "unable to authenticate"},
		"bad key":   {func(t *Target) { t.Token = "-----BEGIN x" }, "private key"},
		"directory": {func(t *Target) { t.URL += "/missing" }, "not exist"},
	} {
		to, dir, _ := sftpServer(t)
		c.spoil(&to)
		if err := to.Put(t.Context(), "a.csv", []byte("x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}
