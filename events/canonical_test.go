package events_test

import (
	"encoding/hex"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// The encoding is for ever: hashes of old states and command keys hang on it.
func TestCanonicalIsForEver(t *testing.T) {
	for _, c := range []struct {
		name string
		m    proto.Message
		want string
	}{
		{"nothing", &wire.Posting{}, "00"},
		{"text and number", &wire.Posting{Account: "a", Currency: "USD", AmountMicro: -3}, "0301016102035553440305"},
		{"bytes", &wire.HoldReleased{Call: []byte{1, 2}}, "0101020102"},
		{"bool", &wire.Company{Disabled: true}, "010401"},
		{"enum", &wire.Deck{Rounding: wire.RoundingMode_ROUNDING_MODE_UP}, "010404"},
		{"list", &wire.Settings{HuntStopCodes: []uint32{1, 300}}, "01040201ac02"},
		{"map", &wire.Settings{Secrets: map[string][]byte{"b": {2}, "a": {1}}}, "0105020161010101620102"},
		{"oneof", &wire.Entity{Of: &wire.Entity_Company{Company: &wire.Company{Id: "c"}}}, "01010101" + "0163"},
		{"messages", &wire.MoneyPosted{Postings: []*wire.Posting{{Account: "a"}, {}}}, "010402010101" + "6100"},
	} {
		if got := hex.EncodeToString(events.Canonical(nil, c.m)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCanonicalAppends(t *testing.T) {
	if got := events.Canonical([]byte("x"), &wire.Posting{}); string(got) != "x\x00" {
		t.Errorf("%x", got)
	}
}

func postings() *rapid.Generator[*wire.Posting] {
	return rapid.Custom(func(t *rapid.T) *wire.Posting {
		text := rapid.SampledFrom([]string{"", "a", "b", "ab", "\x01a"})
		return &wire.Posting{
			Account: text.Draw(t, "account"), Currency: text.Draw(t, "currency"),
			AmountMicro: rapid.SampledFrom([]int64{0, 1, -1, 1 << 40}).Draw(t, "amount"),
		}
	})
}

func TestCanonicalTellsMessagesApart(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) *wire.MoneyPosted {
		return &wire.MoneyPosted{
			Reason:   rapid.SampledFrom([]string{"", "a", "ab"}).Draw(t, "reason"),
			Postings: rapid.SliceOfN(postings(), 0, 2).Draw(t, "postings"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		same := string(events.Canonical(nil, a)) == string(events.Canonical(nil, b))
		if same != proto.Equal(a, b) {
			t.Fatalf("one encoding: %v\n%v\n%v", same, a, b)
		}
		data, err := proto.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		back := new(wire.MoneyPosted)
		if err := proto.Unmarshal(data, back); err != nil {
			t.Fatal(err)
		}
		if string(events.Canonical(nil, back)) != string(events.Canonical(nil, a)) {
			t.Fatal("the encoding changes on the way through protobuf")
		}
	})
}

func TestSumIsOfASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "members")
		order := rapid.Permutation(members).Draw(t, "order")
		var a, b, empty events.Sum
		for _, m := range members {
			a.Add(m)
		}
		var half events.Sum
		for i, m := range order {
			if i%2 == 0 {
				half.Add(m)
			} else {
				b.Add(m)
			}
		}
		b.Merge(half)
		if a != b || len(a.String()) != 64 {
			t.Fatalf("%s and %s", a, b)
		}
		for _, m := range order {
			a.Remove(m)
		}
		if a != empty {
			t.Fatalf("emptied, it is %s", a)
		}
	})
}

func TestMarshal(t *testing.T) {
	e := &wire.Event{Id: []byte{1}, Body: &wire.Event_HoldReleased{HoldReleased: &wire.HoldReleased{Reason: "x"}}}
	data, err := events.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	back, err := events.Unmarshal(data)
	if err != nil || !proto.Equal(e, back) {
		t.Fatal(back, err)
	}
	if _, err := events.Unmarshal([]byte{255}); err == nil {
		t.Error("noise was read as an event")
	}
	if _, err := events.Marshal(&wire.Event{Actor: "\xff"}); err == nil {
		t.Error("text that is not UTF-8 was written")
	}
}
