package history

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// recordCut is the event that puts keys into a file.
func recordCut(position uint64, profile string, number uint64, keys []RowKey) events.Recorded {
	return events.Recorded{Journal: bookJournal, Position: position, Event: &wire.Event{Body: &wire.Event_ChangeSetAccepted{
		ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: []*wire.Change{{Entity: &wire.Entity{Of: &wire.Entity_CdrProgress{
			CdrProgress: &wire.CdrProgress{Id: profile, Number: number, Rows: PackKeys(keys), Count: uint32(len(keys)), CutUs: 1},
		}}}}},
	}}}
}

func TestKeysArePacked(t *testing.T) {
	keys := []RowKey{{events.CallID{1, 15: 9}, 0}, {events.CallID{2}, 300}}
	if got := UnpackKeys(PackKeys(keys)); !slices.Equal(got, keys) {
		t.Errorf("%v", got)
	}
}

// TestRowsComeIntoOneFile: applied once or twice, a list of rows is the first file's, and
// one that is cut short is refused.
func TestRowsComeIntoOneFile(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, key := context.Background(), RowKey{events.CallID{1}, 1}
	for i, number := range []uint64{1, 1, 2} {
		if err := s.Apply(ctx, []events.Recorded{recordCut(uint64(i+1), "p", number, []RowKey{key})}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var rows, number int
	if err := s.reader.QueryRow("SELECT count(*), max(number) FROM cdr_rows").Scan(&rows, &number); err != nil || rows != 1 || number != 1 {
		t.Errorf("%d rows, in file %d: %v", rows, number, err)
	}
	spoilt := recordCut(9, "p", 3, []RowKey{key})
	p := spoilt.Event.GetChangeSetAccepted().Changes[0].Entity.GetCdrProgress()
	p.Rows = p.Rows[1:]
	if err := s.Apply(ctx, []events.Recorded{spoilt}, nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := s.Rows(ctx, []RowKey{key}, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("a CDR that is not there: %v", err)
	}
}

func TestWriteRows(t *testing.T) {
	rows := []CDR{{Call: events.CallID{1}, CallerName: "=a|b\n", Leg: 1}}
	for want, pipes := range map[string]bool{"leg,caller_name\n1,\"'=a|b\n\"\n": false, "leg|caller_name\n1|=a b \n": true} {
		var out strings.Builder
		if err := WriteRows(&out, rows, []string{"leg", "caller_name"}, pipes); err != nil || out.String() != want {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
	if err := WriteRows(new(strings.Builder), rows, []string{"who"}, false); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}
