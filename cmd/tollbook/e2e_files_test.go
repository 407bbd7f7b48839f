package main_test

import (
	"bytes"
	"crypto/sha256"
	byteorder "encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/capture"
)

// filesNode starts a switch that shares files.
func filesNode(t *testing.T, dir, name string, net network, last int, files string) *node {
	t.Helper()
	config := filepath.Join(dir, name+".yaml")
	data := filepath.Join(dir, name)
	text := fmt.Sprintf("node: %s\ndata: %s\nhttp: 127.0.0.1:0\nsip: %s\nfiles:\n  floor: 0\n  key: %s\n%s",
		name, data, net.addr(last), filepath.Join(dir, "files.key"), files)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{process: launch(t, "serve", "--config", config), data: data, config: config, net: net}
	n.ready(t)
	return n
}

// unfinished is a capture as a killed switch leaves it: whole packets and a half one.
func unfinished(t *testing.T, data string, name archive.Name, size int) {
	t.Helper()
	r := rand.NewChaCha8([32]byte{7})
	content := capture.FileHeader()
	for len(content) < size {
		packet := make([]byte, 16+60_000)
		_, _ = r.Read(packet[16:]) // never fails
		clear(packet[:16])
		byteorder.LittleEndian.PutUint32(packet[8:], 60_000)
		byteorder.LittleEndian.PutUint32(packet[12:], 60_000)
		content = append(content, packet...)
	}
	content = append(content, make([]byte, 9)...)
	part := filepath.Join(data, "part")
	if err := os.MkdirAll(part, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(part, name.Base()+".part"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func hashOf(t *testing.T, path string) (sum [32]byte) {
	t.Helper()
	sum, _, err := archive.SumFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestFilesTravel: a capture that a killed switch left is ended at the next start,
// goes to another switch that is killed in the middle of it, is found and mended when
// it is damaged there, is served by it, and can be pulled by the rsync program.
func TestFilesTravel(t *testing.T) {
	t.Parallel()
	dir, net := t.TempDir(), newNetwork()
	secret := sha256.Sum256([]byte(dir))
	if err := os.WriteFile(filepath.Join(dir, "files.key"), fmt.Appendf(nil, "%x\n", secret), 0o600); err != nil {
		t.Fatal(err)
	}
	name := archive.Name{Node: "n1", Call: events.NewCallID(time.Now().Add(-time.Hour), [10]byte{1}), Part: 1, Kind: archive.Capture}
	unfinished(t, filepath.Join(dir, "n1"), name, 9_000_000)
	at := fmt.Sprintf("%s:%d", net.ip(1), net.port()+2)
	n1 := filesNode(t, dir, "n1", net, 1, "  listen: "+at+"\n  bandwidth: 3MB\n")
	one := filepath.Join(n1.data, "files", name.String())
	until(t, "the capture is ended", func() bool { _, err := os.Stat(one); return err == nil })
	want := hashOf(t, one)

	pulls := "  peers: [{node: n1, address: \"" + at + "\"}]\n"
	n2 := filesNode(t, dir, "n2", net, 2, pulls)
	arriving := filepath.Join(n2.data, "part", "n1", name.Base()+".part")
	until(t, "it is on its way", func() bool { info, err := os.Stat(arriving); return err == nil && info.Size() > 1_500_000 })
	n2.kill(t)
	info, err := os.Stat(arriving)
	if err != nil {
		t.Fatalf("it came before the kill, or its beginning went away: %v", err)
	}
	had := info.Size()
	n2 = filesNode(t, dir, "n2", net, 2, pulls)
	two := filepath.Join(n2.data, "files", name.String())
	until(t, "it has arrived", func() bool {
		if info, err := os.Stat(arriving); err == nil && info.Size() < had {
			t.Errorf("%d bytes were there, and now %d", had, info.Size())
		}
		_, err := os.Stat(two)
		return err == nil
	})
	if hashOf(t, two) != want {
		t.Fatal("it came out differently")
	}

	got := n2.file(t, name, "bytes=0-3")
	if !bytes.Equal(got, capture.FileHeader()[:4]) {
		t.Errorf("served %x", got)
	}
	if got := n2.file(t, name, ""); sha256.Sum256(got) != want {
		t.Errorf("%d bytes were served", len(got))
	}
	data, err := os.ReadFile(two)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(two, data, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(n *node, args ...string) (int, string) {
		args = append([]string{"files", "check", "-config", n.config, "-url", n.url, "-token", adminSecret}, args...)
		code, stdout, stderr := tollbook(t, args...)
		return code, stdout + stderr
	}
	if code, out := check(n2); code != 1 || !strings.Contains(out, name.String()+" damaged") {
		t.Errorf("the damage: %d %s", code, out)
	}
	if code, out := check(n2, "-repair"); code != 0 || !strings.Contains(out, "mended") || hashOf(t, two) != want {
		t.Errorf("the repair: %d %s", code, out)
	}
	if code, out := check(n1); code != 0 || !strings.Contains(out, "1 files of") {
		t.Errorf("the original: %d %s", code, out)
	}
	code, stdout, stderr := tollbook(t, "files", "list", "-url", n1.url, "-token", adminSecret, "-kind", "capture")
	if code != 0 || !strings.Contains(stdout, name.String()+" here, cut off") {
		t.Errorf("the list: %d %s%s", code, stdout, stderr)
	}
	pullByTLS(t, n1, at, name, want)
	n2.interrupt(t)
	n1.interrupt(t)
}

// file downloads a file from a node.
func (n *node) file(t *testing.T, name archive.Name, byteRange string) []byte {
	t.Helper()
	return n.download(t, "/files/"+name.String(), byteRange)
}

// pullByTLS pulls with the rsync program, with the key that the nodes share.
func pullByTLS(t *testing.T, n *node, at string, name archive.Name, want [32]byte) {
	t.Helper()
	program, err := exec.LookPath("rsync-ssl")
	if err != nil {
		t.Log("SKIPPED: rsync-ssl is not installed (package rsync)")
		return
	}
	code, identity, stderr := tollbook(t, "files", "identity", "-config", n.config)
	if code != 0 {
		t.Fatal(stderr)
	}
	pem, into := filepath.Join(t.TempDir(), "identity.pem"), t.TempDir()
	if err := os.WriteFile(pem, []byte(identity), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(at, ":")
	cmd := exec.Command(program, "--type=openssl", "-a", "--timeout=20", "--port="+port, "rsync://"+host+"/files/n1/", into)
	cmd.Env = append(os.Environ(), "RSYNC_SSL_CERT="+pem, "RSYNC_SSL_KEY="+pem, "RSYNC_SSL_CA_CERT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if hashOf(t, filepath.Join(into, name.Below())) != want {
		t.Error("rsync brought something else")
	}
	sums := exec.Command("sha256sum", "-c", archive.Sums)
	sums.Dir = filepath.Join(into, filepath.Dir(name.Below()))
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
}
