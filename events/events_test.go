package events_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

func TestCallIDKeepsItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")
		random := [10]byte(rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "random"))
		id := events.NewCallID(time.UnixMilli(ms), random)
		if got := id.Time(); got.UnixMilli() != ms || got.Location() != time.UTC {
			t.Fatalf("made at %d ms, says %v", ms, got)
		}
		if id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("%s is not a UUID of version 7", id)
		}
		back, err := events.ParseCallID(id.String())
		if err != nil || back != id {
			t.Fatalf("%s reads as %s, %v", id, back, err)
		}
		if again, err := events.CallIDFrom(id[:]); err != nil || again != id {
			t.Fatalf("%s, %v", again, err)
		}
	})
}

func TestCallIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	early := events.NewCallID(at, [10]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
	late := events.NewCallID(at.Add(time.Millisecond), [10]byte{})
	if early.String() >= late.String() {
		t.Errorf("%s is not before %s", early, late)
	}
}

func TestParseCallID(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"019a5cdf-8a6b-7c00-8000-000000000001", "019a5cdf-8a6b-7c00-8000-000000000001"},
		{"019a5cdf8a6b7c008000000000000001", "019a5cdf-8a6b-7c00-8000-000000000001"},
		{"019A5CDF8A6B7C008000000000000001", "019a5cdf-8a6b-7c00-8000-000000000001"},
		{"", ""},
		{"019a5cdf-8a6b-7c00-8000-00000000000", ""},
		{"019a5cdf-8a6b-7c00-8000-0000000000011", ""},
		{"019a5cdf-8a6b-7c00-8000-00000000000g", ""},
	} {
		id, err := events.ParseCallID(c.in)
		if c.want == "" {
			if events.CodeOf(err) != events.CodeInvalid {
				t.Errorf("%q: %v, want a refusal", c.in, err)
			}
		} else if err != nil || id.String() != c.want {
			t.Errorf("%q: %s, %v", c.in, id, err)
		}
	}
	if _, err := events.CallIDFrom(make([]byte, 15)); events.CodeOf(err) != events.CodeInvalid {
		t.Errorf("15 bytes: %v", err)
	}
}

func TestKeysOfDifferentWordsDiffer(t *testing.T) {
	lists := [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "", "b"}, {"ab", ""}}
	seen := map[events.Key][]string{}
	for _, words := range lists {
		k := events.KeyOf(words...)
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q have one key", words, other)
		}
		seen[k] = words
		if k != events.KeyOf(words...) {
			t.Errorf("%q has two keys", words)
		}
	}
}

func TestEventIDs(t *testing.T) {
	key := events.KeyOf("x")
	a, b := events.EventID(key[:], 0), events.EventID(key[:], 1)
	if len(a) != 16 || string(a) == string(b) || string(a) != string(events.EventID(key[:], 0)) {
		t.Errorf("%x %x", a, b)
	}
}

func TestInstantsKeepMicroseconds(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 123_456_789, time.FixedZone("x", 3600))
	if got := events.Instant(events.Micros(at)); !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Errorf("%v", got)
	}
}

func TestErrors(t *testing.T) {
	domain := events.Refuse(events.CodeLimit, "only %d", 3).At("limit").At("changes.4")
	wrapped := fmt.Errorf("line 2: %w", domain)
	for _, c := range []struct {
		err  error
		code events.Code
		want *wire.Refusal
	}{
		{domain, events.CodeLimit, &wire.Refusal{Code: "rate_limited", Message: "only 3", Path: "changes.4.limit"}},
		{wrapped, events.CodeLimit, &wire.Refusal{Code: "rate_limited", Message: "line 2: changes.4.limit: only 3"}},
		{errors.New("disk"), events.CodeInternal, &wire.Refusal{Code: "internal", Message: "disk"}},
		{events.Invalid("x"), events.CodeInvalid, &wire.Refusal{Code: "invalid", Message: "x"}},
		{events.NotFound("x"), events.CodeNotFound, &wire.Refusal{Code: "not_found", Message: "x"}},
	} {
		r := events.Refusal(c.err)
		if diff := cmp.Diff(c.want, r, protocmp.Transform()); diff != "" {
			t.Errorf("%v: %s", c.err, diff)
		}
		back := events.FromRefusal(r)
		if got := events.CodeOf(back); got != c.code || back.Error() != c.err.Error() {
			t.Errorf("%v came back as %s: %v", c.err, got, back)
		}
	}
	if events.CodeOf(nil) != "" || events.FromRefusal(nil) != nil {
		t.Error("no error has a code")
	}
}

// Ids are in books: how they are derived and written must never change.
func TestIDsAreFrozen(t *testing.T) {
	id := events.CallID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}
	key := events.KeyOf(id.String(), "hold", strings.Repeat("long", 50))
	for got, want := range map[string]string{
		id.String():            "01234567-89ab-cdef-1032-547698badcfe",
		fmt.Sprintf("%x", key): "a95dd686a615f41d08506ad42504f087",
		fmt.Sprintf("%x", events.EventID(id[:], 7)):      "3726178bb2f5e6862ee3efffe4b6b15f",
		fmt.Sprintf("%x", events.EventID(key[:], 1<<20)): "4d8d76f4cdc2c86a0980b3ef78e3767f",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
