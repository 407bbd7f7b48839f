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
	"github.com/tollbook/tollbook/events/wire"
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

// TestFreeze writes the log of this version, if there is none: delete it on
// purpose or never.
func TestFreeze(t *testing.T) {
	name := fmt.Sprintf("testdata/version/%d.log", state.FoldVersion)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Skip("it is there")
	}
	b := everything(t)
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

// everything is a book with every kind of event and entity in it.
func everything(t tester) *book {
	b := start(t, account("a", 500_000), account("b", 0))
	b.fold(&wire.Event{Body: &wire.Event_KeeperOpened{KeeperOpened: &wire.KeeperOpened{Node: "n1", Epoch: 1, FoldVersion: 1}}})
	digest := make([]byte, 32)
	b.put(
		&wire.Settings{Id: "settings", BaseCurrency: "USD", HuntStopCodes: []uint32{404, 603}, Secrets: map[string][]byte{"x": {1}, "a": {2}}},
		&wire.Terminator{Id: "t1", Company: "co", Account: "vendor", BuyDeck: "buy", Host: "192.0.2.1"},
		&wire.RoutePlan{Id: "plan"},
		&wire.Route{Id: "plan/49/t1", Plan: "plan", Prefix: "49", Terminator: "t1"},
		&wire.Originator{Id: "o1", Company: "co", Account: "a", SellDeck: "sell", RoutePlan: "plan", Networks: []string{"192.0.2.0/24"}},
		&wire.User{Id: "u1", Role: wire.Role_ROLE_ADMIN, Password: "$argon2id$x"},
		&wire.Token{Id: "k1", Role: wire.Role_ROLE_NOC, Hash: digest},
	)
	b.must(crediting("a", 1_000_000))
	b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_TRANSFER, Account: "a", ToAccount: "b", AmountMicro: 500}))
	b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: uint64(b.st.Position)}))
	b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_FORCED_DEBIT, Account: "b", AmountMicro: 70_000}))
	for n := 1; n <= 5; n++ {
		c := b.placing(n, "a", 60_000)
		c.GetPlaceHold().Lines[0].Originator, c.GetPlaceHold().Route[0].Terminator = "o1", "t1"
		b.must(c)
		b.now += 1_000_000
	}
	b.must(extending(1, 60_000))
	b.must(charging(1, 90_000))
	b.must(charging(1, 91_000))
	b.must(charging(2, 61_000))
	b.must(releasing(3))
	b.must(claiming(4, "n2"))
	b.must(&wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{Changes: []*wire.ExpectedChange{
		{Change: &wire.Change{Remove: true, Entity: putting(&wire.Token{Id: "k1"}).GetChangeCatalog().Changes[0].Change.Entity}},
	}}}})
	return b
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
