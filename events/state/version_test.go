package state_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/state"
)

// TestVersionsForEver folds the logs of all versions of the events, and restores
// their snapshots. A file in testdata/version is never changed; a change of the
// events adds the next one:
//
//	block time in microseconds, event in hexadecimal
//	…
//	snapshot, its bytes in hexadecimal
//	hash, of the state that both give
func TestVersionsForEver(t *testing.T) {
	names, err := filepath.Glob("testdata/version/*.log")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) { unfreeze(t, name) })
	}
}

func unfreeze(t *testing.T, name string) {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	folded, audit := state.New(), state.NewAuditor()
	var saved *state.State
	for line := range strings.Lines(string(data)) {
		head, tail, _ := strings.Cut(strings.TrimSpace(line), " ")
		if head == "hash" {
			if folded.Hash().String() != tail || saved.Hash().String() != tail || audit.State.Hash().String() != tail {
				t.Errorf("the events fold to %s, the snapshot to %s; it was %s", folded.Hash(), saved.Hash(), tail)
			}
			return
		}
		raw, err := hex.DecodeString(tail)
		if err != nil {
			t.Fatal(err)
		}
		if head == "snapshot" {
			if saved, err = state.Restore(raw); err != nil {
				t.Fatal(err)
			}
			continue
		}
		at, err := strconv.ParseInt(head, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		e, err := events.Unmarshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(folded.Evolve(at, e), audit.Check(at, e)); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the file ends before its hash")
}

// frozen is the number of the newest log. It rises when everything has something
// new in it.
const frozen = 18

// TestFreeze writes the newest log, if there is none: delete it on purpose or never.
func TestFreeze(t *testing.T) {
	name := fmt.Sprintf("testdata/version/%d.log", frozen)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Skip("it is there")
	}
	b := everything(t)
	b.observed()
	var out strings.Builder
	for _, r := range b.log {
		fmt.Fprintf(&out, "%d %x\n", r.at, r.data)
	}
	snapshot, err := b.st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "snapshot %x\nhash %s\n", snapshot, b.st.Hash())
	if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Errorf("%s is new: commit it", name)
}

func TestSnapshotsAreAlwaysTheSame(t *testing.T) {
	a, b := everything(t), everything(t)
	if a.st.Hash() != b.st.Hash() {
		t.Fatal("the same commands give two states")
	}
	for range 5 {
		x, err := a.st.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		y, err := restored(t, b.st).Snapshot()
		if err != nil || string(x) != string(y) {
			t.Fatal("one state has two snapshots", err)
		}
	}
	if _, err := state.Restore([]byte{255}); err == nil {
		t.Error("noise was restored")
	}
}
