package cluster_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tollbook/tollbook/events/cluster"
)

// The scan knows the server's files from the inside. This test fails when a new
// version writes them otherwise: many messages over several files, some removed.
func TestScanKnowsTheServersFiles(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	for i := range 300 {
		msg := make([]byte, 40<<10)
		if _, err := s.JetStream().Publish(t.Context(), fmt.Sprintf("log.x.%d", i%3), msg, jetstream.WithMsgID(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s.JetStream().Stream(t.Context(), cluster.StreamLog)
	if err != nil {
		t.Fatal(err)
	}
	for _, purge := range []uint64{90, 200} {
		if err := cluster.Scan(dir); err != nil {
			t.Fatal(err)
		}
		if err := st.Purge(t.Context(), jetstream.WithPurgeSubject("log.x.1"), jetstream.WithPurgeSequence(purge)); err != nil {
			t.Fatal(err)
		}
	}
	s.Stop()
	if err := cluster.Scan(dir); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	if _, err := s.JetStream().Publish(t.Context(), "log.x.1", []byte("after")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := cluster.Scan(dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "LOG", "msgs", "*.blk"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text[10] ^= 0x40 // An upper byte of a sequence.
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Start(t.Context(), options(dir))
	var damage *cluster.DamagedError
	if !errors.As(err, &damage) || damage.Stream != "LOG" {
		t.Fatal(err)
	}
}
