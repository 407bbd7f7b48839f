package state_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

func TestDifferences(t *testing.T) {
	write := func(s *wire.BookSnapshot) []byte {
		b, err := proto.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a := write(&wire.BookSnapshot{Position: 7, Accounts: []*wire.AccountBalance{{Account: "a", PostedMicro: 1}, {Account: "b", PostedMicro: 2}}})
	b := write(&wire.BookSnapshot{Position: 8, Accounts: []*wire.AccountBalance{{Account: "a", PostedMicro: 1}, {Account: "b", PostedMicro: 3}}})
	if same, err := state.Differences(a, a, 5); err != nil || len(same) != 0 {
		t.Fatal(same, err)
	}
	got, err := state.Differences(a, b, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], "  ", " ") // the text of a message has random spaces
	}
	want := []string{`+ accounts: account:"b" posted_micro:2`, `- accounts: account:"b" posted_micro:3`, "+ position: 7", "and 1 more"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if _, err := state.Differences([]byte{1}, b, 3); err == nil {
		t.Error("what is no snapshot is compared")
	}
}
