package catalog_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func TestEveryKindIsKept(t *testing.T) {
	s := world(t, small()...)
	for _, m := range small() {
		e := catalog.EntityOf(m)
		it, ok := s.Get(catalog.RefOf(e))
		if !ok || !proto.Equal(it.Entity, e) || it.Version != 1 || s.Version(catalog.RefOf(e)) != 1 {
			t.Errorf("%v: %v", e, it)
		}
	}
	for _, k := range catalog.Kinds() {
		if n := s.Len(k); n == 0 || len(s.List(k)) != n {
			t.Errorf("%d of kind %s", n, k)
		}
	}
	if s.Company("co") == nil || s.Account("cust") == nil || s.Originator("o") == nil || s.Terminator("t") == nil ||
		s.Deck("d") == nil || s.User("u") == nil || s.Settings().BaseCurrency != "USD" || s.TokenByHash(make([]byte, 32)) == nil {
		t.Error("something cannot be found")
	}
	if s.Company("who") != nil || s.TokenByHash(nil) != nil || catalog.New().Settings() == nil {
		t.Error("something is found that is not there")
	}
}

func TestPutOfTheSameChangesNothing(t *testing.T) {
	s := world(t, small()...)
	if out, err := s.Decide(now, changes(small())); err != nil || out != nil {
		t.Errorf("%v, %v", out, err)
	}
	// One real edit among many repeats is all that remains.
	all := append(changes(small()), put(&wire.Company{Id: "new"}))
	if out, err := s.Decide(now, all); err != nil || len(out) != 1 {
		t.Errorf("%v, %v", out, err)
	}
	// A version without a time of its own is in force from the block's, and a
	// repeat at another time is a repeat.
	v := version("d", 2, 0)
	s = apply(t, s, 2, put(v))
	if got := s.Versions("d")[1].EffectiveFromUs; got != now || v.EffectiveFromUs != 0 {
		t.Errorf("in force from %d", got)
	}
	if out, err := s.Decide(now+1_000_000, changes([]any{v})); err != nil || out != nil {
		t.Errorf("%v, %v", out, err)
	}
}

func TestExpectedVersion(t *testing.T) {
	s := world(t, small()...)
	edit := put(&wire.Company{Id: "co", Name: "New"})
	edit.ExpectedVersion = 1
	next := apply(t, s, 5, edit)
	if next.Version(catalog.Ref{Kind: catalog.KindCompany, ID: "co"}) != 5 || next.Position() != 5 {
		t.Error("the edit is not at its position")
	}
	if _, err := next.Decide(now, []*wire.ExpectedChange{edit}); events.CodeOf(err) != events.CodeConflict {
		t.Errorf("the same edit again: %v", err)
	}
	if s.Company("co").Name != "Company" {
		t.Error("the older state has changed")
	}
}

func TestRemovalOfAWholeTree(t *testing.T) {
	s := world(t, small()...)
	s = apply(t, s, 2,
		remove(&wire.Terminator{Id: "t"}), remove(&wire.RoutePlan{Id: "p"}), // before what uses them
		remove(&wire.Route{Id: "p/49/t"}), remove(&wire.Originator{Id: "o"}), remove(&wire.Registration{Id: "reg"}), remove(&wire.User{Id: "u"}))
	for _, k := range []catalog.Kind{catalog.KindTerminator, catalog.KindRoutePlan, catalog.KindRoute, catalog.KindOriginator, catalog.KindUser} {
		if s.Len(k) != 0 {
			t.Errorf("%d left of kind %s", s.Len(k), k)
		}
	}
}

func TestVersionAt(t *testing.T) {
	s := world(t, &wire.Deck{Id: "d", Currency: "USD"}, version("d", 1, 100), version("d", 2, 300), version("d", 3, 200), version("d", 4, 300))
	for at, want := range map[int64]uint64{99: 0, 100: 1, 199: 1, 200: 3, 299: 3, 300: 4, 1 << 60: 4} {
		if got := s.VersionAt("d", at).GetNumber(); got != want {
			t.Errorf("at %d version %d is in force, want %d", at, got, want)
		}
	}
	if s.VersionAt("who", 1<<60) != nil {
		t.Error("a version of no deck")
	}
}

func TestRoutesOf(t *testing.T) {
	ms := append(small(), &wire.RoutePlan{Id: "q"}, &wire.Route{Id: "p/1/t", Plan: "p", Prefix: "1", Terminator: "t"},
		&wire.Route{Id: "q/1/t", Plan: "q", Prefix: "1", Terminator: "t"})
	got := world(t, ms...).RoutesOf("p")
	if len(got) != 2 || got[0].Id != "p/1/t" || got[1].Id != "p/49/t" {
		t.Errorf("%v", got)
	}
}

// TestEdits makes random edits and compares the state with one loaded from its
// snapshot, and references with what the entities say.
func TestEdits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := world(t, small()...)
		ids := rapid.SampledFrom([]string{"a", "b", "co"})
		for i := range rapid.IntRange(1, 25).Draw(rt, "edits") {
			var cs []*wire.ExpectedChange
			for range rapid.IntRange(1, 4).Draw(rt, "size") {
				var m any
				switch id := ids.Draw(rt, "id"); rapid.IntRange(0, 3).Draw(rt, "kind") {
				case 0:
					m = &wire.Company{Id: id, Name: ids.Draw(rt, "name")}
				case 1:
					m = &wire.Deck{Id: id, Currency: "USD", Company: ids.Draw(rt, "owner")}
				case 2:
					m = &wire.User{Id: id, Role: wire.Role_ROLE_PARTNER, Company: ids.Draw(rt, "employer"), Password: "$argon2id$"}
				default:
					m = version("d", uint64(len(s.Versions("d")))+1, int64(i))
				}
				if c := put(m); rapid.Bool().Draw(rt, "remove") {
					c.Change.Remove = true
					cs = append(cs, c)
				} else {
					cs = append(cs, c)
				}
			}
			out, err := s.Decide(now, cs)
			if err != nil || out == nil {
				continue
			}
			s = s.Evolve(events.Position(i+2), &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: out}}})
			whole(rt, s)
		}
	})
}

// whole checks that nothing refers to what is not there, and that a snapshot has
// it all.
func whole(t *rapid.T, s *catalog.State) {
	for _, k := range catalog.Kinds() {
		for _, it := range s.List(k) {
			for _, r := range catalog.References(it.Entity) {
				if _, ok := s.Get(r); !ok {
					t.Fatalf("%v refers to %s, which is not there", it.Entity, r)
				}
			}
		}
	}
	snap := new(wire.BookSnapshot)
	s.Save(snap)
	back := catalog.Load(snap)
	if s.Sum() != s.Resum() || back.Sum() != s.Sum() || back.Position() != s.Position() {
		t.Fatal("the snapshot is of another state")
	}
	for i, v := range back.Versions("d") {
		if v.Number != uint64(i+1) {
			t.Fatalf("version %d stands at place %d", v.Number, i)
		}
	}
	for _, id := range []string{"a", "b", "co"} {
		c := []*wire.ExpectedChange{{Change: &wire.Change{Remove: true, Entity: catalog.EntityOf(&wire.Company{Id: id})}}}
		_, err := s.Decide(now, c)
		_, err2 := back.Decide(now, c)
		if events.CodeOf(err) != events.CodeOf(err2) {
			t.Fatalf("removal of %s: %v and, after the snapshot, %v", id, err, err2)
		}
	}
}
