package main_test

import (
	"crypto/sha256"
	le "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minio/highwayhash"
)

// forge changes the last byte of a message's data and puts the checksum right that
// JetStream and the scan of its files look at: only the chain of hashes tells.
func forge(t *testing.T, data, stream string, sequence uint64) {
	t.Helper()
	file := blocks(t, data, stream)[0]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rest := text[messageAt(t, text, sequence):]
	length := le.LittleEndian.Uint32(rest)
	record := rest[22 : length&^(1<<31)]
	subject := int(le.LittleEndian.Uint16(rest[20:]))
	skip := subject
	if length&(1<<31) != 0 {
		skip += 4
	}
	end := len(record) - 8
	record[end-1] ^= 1
	number := strings.TrimSuffix(filepath.Base(file), ".blk")
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%s", stream, number))
	sum, err := highwayhash.New64(key[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{rest[4:20], record[:subject], record[skip:end]} {
		sum.Write(part)
	}
	copy(record[end:], sum.Sum(nil))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

var checkedFrom = regexp.MustCompile(`"journal checked".*"journal":"book","from":(\d+),"blocks":(\d+)`)

// A node that was stopped starts from its snapshots and reads what follows; what they
// vouched for is checked while it works, and a difference ends it.
func TestSnapshotStart(t *testing.T) {
	t.Parallel()
	data, net := t.TempDir(), newNetwork()
	s := &stage{name: "snapshot", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n := serve(t, net, data)
	n.apply(t, world(n, []*stage{s}))
	for i := range 5 {
		n.credit(t, s.account(), "1", fmt.Sprint("payment ", i))
	}
	n.interrupt(t)

	n = serve(t, net, data)
	if got := checkedFrom.FindStringSubmatch(n.stderr.String()); got == nil || got[1] == "0" || got[2] != "0" {
		t.Errorf("the start read %q", got)
	}
	until(t, "the rest is checked", func() bool {
		all := checkedFrom.FindAllStringSubmatch(n.stderr.String(), -1)
		return len(all) == 2 && all[1][1] == "0" && all[1][2] != "0"
	})
	n.credit(t, s.account(), "1", "after the start")
	n.interrupt(t)
	verify(t, data)

	bad := copied(t, data)
	forge(t, bad, "BOOK", 2)
	p := launchOn(t, copied(t, bad))
	if code := p.wait(t); code != 1 || !strings.Contains(p.stderr.String(), "cannot be trusted: journal book is broken at position") {
		t.Errorf("serve ends with code %d:\n%s", code, p.stderr.String())
	}
	if err := os.RemoveAll(filepath.Join(bad, "snapshots")); err != nil {
		t.Fatal(err)
	}
	refusesDamage(t, bad)
}
