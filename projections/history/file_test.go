package history

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// TestFiles: what nodes made and removed, whatever is applied twice.
func TestFiles(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	call := events.NewCallID(at, [10]byte{1})
	made := func(node, name string, size uint64) *wire.Event {
		return &wire.Event{Body: &wire.Event_FileMade{FileMade: &wire.FileMade{
			Call: call[:], Part: 1, Kind: wire.FileKind_FILE_KIND_RECORDING, Node: node, Name: name, Size: size, Sha256: make([]byte, 32), Codec: "PCMU",
		}}}
	}
	removed := func(node, holder, name string, why wire.RemovalReason) *wire.Event {
		return &wire.Event{Actor: "user:anna", Body: &wire.Event_FileRemoved{FileRemoved: &wire.FileRemoved{
			Call: call[:], Node: node, Holder: holder, Name: name, Why: why, Note: "asked for",
		}}}
	}
	var batch []events.Recorded
	for i, e := range []*wire.Event{
		made("n1", "a.wav", 10), made("n1", "b.wav", 20), made("n1", "a.wav", 11), // said again after a crash
		removed("n1", "n2", "a.wav", wire.RemovalReason_REMOVAL_REASON_SIZE), // a copy
		removed("n1", "n1", "b.wav", wire.RemovalReason_REMOVAL_REASON_ERASURE),
		{Body: &wire.Event_FileStorageChanged{FileStorageChanged: &wire.FileStorageChanged{Node: "n1", Full: true, Reason: "full"}}},
		{Body: &wire.Event_FileServed{FileServed: &wire.FileServed{Node: "n1", Name: "a.wav", Address: "192.0.2.1"}}, Actor: "user:bert"},
	} {
		batch = append(batch, events.Recorded{Journal: "log.calls.n1", Position: uint64(i + 1), TimeUS: at.UnixMicro() + int64(i), Event: e})
	}
	for range 2 {
		if err := s.Apply(t.Context(), batch, nil); err != nil {
			t.Fatal(err)
		}
	}
	files, err := s.CallFiles(t.Context(), call)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	a, b := files[0], files[1]
	if a.Name != "a.wav" || a.Size != 11 || a.RemovedUS != 0 || b.RemovedUS == 0 || b.Why != "erasure" || a.Call != call {
		t.Fatalf("got %+v", files)
	}
	page, err := s.Files(t.Context(), FileFilter{Kind: wire.FileKind_FILE_KIND_RECORDING, Node: "n1"}, Page{First: 5})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].Name != "a.wav" {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = s.Files(t.Context(), FileFilter{Removed: true}, Page{First: 1})
	if err != nil || len(page.Rows) != 1 || !page.HasNext {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = s.Files(t.Context(), FileFilter{Removed: true}, Page{First: 1, After: page.End}); err != nil || len(page.Rows) != 1 || page.HasNext {
		t.Fatalf("%+v, %v", page, err)
	}
	if f, err := s.File(t.Context(), "n1", "b.wav"); err != nil || f.Size != 20 {
		t.Fatalf("%+v, %v", f, err)
	}
	if _, err := s.File(t.Context(), "n2", "b.wav"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	audit, err := s.Audit(t.Context(), AuditFilter{}, Page{First: 10})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, row := range audit.Rows {
		kinds = append(kinds, row.Kind+" "+row.Actor)
	}
	if got := strings.Join(kinds, ", "); got != "file_served user:bert, files_stopped , file_erased user:anna" {
		t.Fatalf("the audit has %s", got)
	}
}
