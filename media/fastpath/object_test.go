package fastpath

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The committed object is made from the committed source: its hash says so
// everywhere, and where there is the same clang it is made once more.
func TestObjectIsFresh(t *testing.T) {
	source, err := os.ReadFile("bpf/relay.c")
	if err != nil {
		t.Fatal(err)
	}
	object, err := os.ReadFile("bpf/relay.o")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x  relay.c\n%x  relay.o\n", sha256.Sum256(source), sha256.Sum256(object))
	sums, err := os.ReadFile("bpf/relay.sum")
	if err != nil {
		t.Fatal(err)
	}
	if string(sums) != want {
		t.Errorf("bpf/relay.sum does not fit: make bpf\n%s%s", sums, want)
	}
	if _, err := exec.LookPath("clang-14"); err != nil {
		t.Skip("SKIPPED: no clang-14 to make the object once more")
	}
	again := filepath.Join(t.TempDir(), "relay.o")
	if out, err := exec.Command("../../deploy/ci/bpf.sh", again).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, object) {
		t.Errorf("bpf/relay.o is not what clang makes of bpf/relay.c (%d and %d bytes): make bpf", len(object), len(made))
	}
}
