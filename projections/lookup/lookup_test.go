package lookup_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/lookup"
)

// shelf is Blobs in a map, which counts what is asked for.
type shelf struct {
	blobs map[string][]byte
	gets  int
}

func (s *shelf) Get(_ context.Context, digest []byte) ([]byte, error) {
	s.gets++
	if b, ok := s.blobs[string(digest)]; ok {
		return b, nil
	}
	return nil, errors.New("no such blob")
}

// version is a deck's version whose price for 49 is given.
func (s *shelf) version(n uint64, price string, from time.Time) *wire.DeckVersion {
	rows, err := rating.ParseCSV([]byte("prefix,price\n49," + price + "\n"))
	if err != nil {
		panic(err)
	}
	blob := rating.Canonical(rows)
	digest := sha256.Sum256(blob)
	s.blobs[string(digest[:])] = blob
	return &wire.DeckVersion{Id: catalog.VersionID("d", n), Deck: "d", Number: n, Digest: digest[:], Rows: 1, EffectiveFromUs: from.UnixMicro()}
}

func put(s *catalog.State, ms ...any) *catalog.State {
	set := &wire.ChangeSetAccepted{}
	for _, m := range ms {
		set.Changes = append(set.Changes, &wire.Change{Entity: catalog.EntityOf(m)})
	}
	return s.Evolve(s.Position()+1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})
}

func price(t *testing.T, l *lookup.Tables) string {
	t.Helper()
	deck := l.World().Deck("d")
	if deck == nil {
		return ""
	}
	terms, ok := deck.Price(rating.Query{Called: "4930"})
	if !ok {
		t.Fatal("no price")
	}
	return money.Rate(terms.PriceNextNano).Short()
}

func newTables(s *shelf) *lookup.Tables { return lookup.New(s, slog.New(slog.DiscardHandler)) }

func TestVersionsTakeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{blobs: map[string][]byte{}}
		l := newTables(s)
		defer l.Close()
		if l.World() == nil || price(t, l) != "" {
			t.Fatal("an empty world has prices")
		}
		start := time.Now()
		cat := put(catalog.New(), &wire.Deck{Id: "d", Currency: "USD"}, s.version(1, "0.1", start),
			s.version(2, "0.2", start.Add(time.Hour)), s.version(3, "0.3", start.Add(48*time.Hour)))
		follow := func() {
			if err := l.Follow(t.Context(), cat, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		follow()
		for _, step := range []struct {
			wait time.Duration
			want string
		}{{0, "0.10"}, {time.Hour - time.Microsecond, "0.10"}, {time.Microsecond, "0.20"}, {46 * time.Hour, "0.20"}, {2 * time.Hour, "0.30"}} {
			time.Sleep(step.wait)
			synctest.Wait()
			if got := price(t, l); got != step.want {
				t.Errorf("after %v: %s, want %s", time.Since(start), got, step.want)
			}
		}
		if s.gets != 3 {
			t.Errorf("%d blobs were fetched for 3 versions", s.gets)
		}
		// An edit of something else compiles nothing anew; one of the deck does.
		old := l.World()
		cat = put(cat, &wire.Company{Id: "co"})
		follow()
		if s.gets != 3 || l.World() == old || l.World().Deck("d") != old.Deck("d") {
			t.Error("the deck was compiled again")
		}
		cat = put(cat, &wire.Deck{Id: "d", Currency: "USD", TaxPpm: 190_000})
		follow()
		if terms, _ := l.World().Deck("d").Price(rating.Query{Called: "49"}); terms.TaxPpm != 190_000 || s.gets != 3 {
			t.Errorf("%v after %d fetches", terms, s.gets)
		}
		if terms, _ := old.Deck("d").Price(rating.Query{Called: "49"}); terms.TaxPpm != 0 {
			t.Error("the older world has changed")
		}
	})
}

func TestBlobsThatCannotBeUsed(t *testing.T) {
	now := time.Unix(1_783_000_800, 0)
	for name, c := range map[string]struct {
		spoil func(*shelf, *wire.DeckVersion)
		want  string
	}{
		"missing":   {func(s *shelf, v *wire.DeckVersion) { delete(s.blobs, string(v.Digest)) }, "no such blob"},
		"other":     {func(s *shelf, v *wire.DeckVersion) { s.blobs[string(v.Digest)] = []byte("prefix,price\n49,9\n") }, "do not have its digest"},
		"not a CSV": {func(s *shelf, v *wire.DeckVersion) { junk(s, v) }, "unknown column"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{blobs: map[string][]byte{}}
			l := newTables(s)
			defer l.Close()
			cat := put(catalog.New(), &wire.Deck{Id: "d", Currency: "USD"}, s.version(1, "0.1", now))
			if err := l.Follow(t.Context(), cat, now); err != nil {
				t.Fatal(err)
			}
			v := s.version(2, "0.2", now)
			c.spoil(s, v)
			err := l.Follow(t.Context(), put(cat, v), now)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "d/2") {
				t.Errorf("%v, want %q", err, c.want)
			}
			// The deck has no prices, since the older ones are not in force any
			// more; every other edit takes effect all the same.
			if price(t, l) != "" || l.World().Position != events.Position(2) {
				t.Errorf("price %q at position %d", price(t, l), l.World().Position)
			}
		})
	}
}

func junk(s *shelf, v *wire.DeckVersion) {
	blob := []byte("junk")
	digest := sha256.Sum256(blob)
	v.Digest = digest[:]
	s.blobs[string(digest[:])] = blob
}

func TestNothingHappensAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{blobs: map[string][]byte{}}
		l := newTables(s)
		cat := put(catalog.New(), &wire.Deck{Id: "d", Currency: "USD"}, s.version(1, "0.1", time.Now().Add(time.Hour)))
		if err := l.Follow(t.Context(), cat, time.Now()); err != nil {
			t.Fatal(err)
		}
		l.Close()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if err := l.Follow(t.Context(), cat, time.Now()); err != nil || price(t, l) != "" {
			t.Error("closed tables move", err)
		}
	})
}
