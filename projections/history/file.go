package history

import (
	"context"
	"fmt"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// File is a recording or a capture that a node made.
type File struct {
	// TimeUS is when it was recorded that it is finished: UTC, microseconds.
	TimeUS int64
	Call   events.CallID
	Part   int64
	Kind   wire.FileKind
	Node   string
	// Name is its path below its node's directory.
	Name      string
	Size      int64
	SHA256    []byte
	Codec     string
	Truncated bool
	Reason    string
	// FromUS and ToUS are the times of its first and last packet.
	FromUS, ToUS int64
	PausedMS     int64
	// Lost counts packets that could not be written.
	Lost int64
	// RemovedUS is when its own node removed it, 0 while it is there; Why is "age",
	// "size" or "erasure".
	RemovedUS int64
	Why       string

	serial int64
}

// Cursor names the row for Page.After and Page.Before.
func (f *File) Cursor() string { return pairCursor('f', f.TimeUS, f.serial) }

// applyFile takes what became of a file. A node's own events come in their order.
func (s *Store) applyFile(ctx context.Context, r events.Recorded) error {
	switch body := r.Event.GetBody().(type) {
	case *wire.Event_FileMade:
		e := body.FileMade
		return s.book.exec(ctx, `INSERT INTO files (time_us, serial, call, part, kind, node, name, size, sha256, codec, truncated,
 reason, from_us, to_us, paused_ms, lost, position, removed_us, why) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,'')
 ON CONFLICT (node, name) DO UPDATE SET time_us = excluded.time_us, serial = excluded.serial, size = excluded.size,
 sha256 = excluded.sha256, codec = excluded.codec, truncated = excluded.truncated, reason = excluded.reason,
 from_us = excluded.from_us, to_us = excluded.to_us, paused_ms = excluded.paused_ms, lost = excluded.lost,
 position = excluded.position, removed_us = 0, why = '' WHERE excluded.position > files.position`,
			r.TimeUS, serial(r.Journal, r.Position), e.GetCall(), int64(e.GetPart()), int64(e.GetKind()), e.GetNode(), e.GetName(),
			int64(e.GetSize()), e.GetSha256(), e.GetCodec(), e.GetTruncated(), e.GetReason(), e.GetFromUs(), e.GetToUs(),
			e.GetPausedMs(), int64(e.GetLost()), int64(r.Position))
	case *wire.Event_FileRemoved:
		e := body.FileRemoved
		if e.GetHolder() != e.GetNode() {
			return nil // a copy
		}
		return s.book.exec(ctx, `UPDATE files SET removed_us = ?, why = ?, position = ?
 WHERE node = ? AND name = ? AND position < ?`, r.TimeUS, whyRemoved(e.GetWhy()), int64(r.Position), e.GetNode(), e.GetName(), int64(r.Position))
	}
	return nil
}

func whyRemoved(why wire.RemovalReason) string {
	return strings.ToLower(strings.TrimPrefix(why.String(), "REMOVAL_REASON_"))
}

// auditFile fills the audit row of an event about files, if it has one.
func auditFile(e *wire.Event, row *AuditRow) bool {
	switch body := e.GetBody().(type) {
	case *wire.Event_FileStorageChanged:
		row.Kind, row.Note = pick(body.FileStorageChanged.GetFull(), AuditFilesStopped, AuditFilesResumed), body.FileStorageChanged.GetReason()
	case *wire.Event_FileMismatched:
		m := body.FileMismatched
		row.Kind, row.Note = AuditFileDamaged, fmt.Sprintf("%s/%s: %x, not %x", m.GetNode(), m.GetName(), m.GetGot(), m.GetWant())
	case *wire.Event_FileServed:
		row.Kind, row.Address, row.Note = AuditFileServed, body.FileServed.GetAddress(), body.FileServed.GetNode()+"/"+body.FileServed.GetName()
	case *wire.Event_FileRemoved:
		if body.FileRemoved.GetWhy() != wire.RemovalReason_REMOVAL_REASON_ERASURE {
			return false
		}
		row.Kind = AuditFileErased
		row.Note = body.FileRemoved.GetNode() + "/" + body.FileRemoved.GetName() + " " + body.FileRemoved.GetNote()
	default:
		return false
	}
	return true
}

const fileColumns = `time_us, serial, call, part, kind, node, name, size, sha256, codec, truncated, reason, from_us, to_us, paused_ms, lost, removed_us, why`

func scanFile(row scanner) (f File, err error) {
	return f, row.Scan(&f.TimeUS, &f.serial, &f.Call, &f.Part, &f.Kind, &f.Node, &f.Name, &f.Size, &f.SHA256, &f.Codec, &f.Truncated,
		&f.Reason, &f.FromUS, &f.ToUS, &f.PausedMS, &f.Lost, &f.RemovedUS, &f.Why)
}

// maxFiles bounds the files that are shown of one call.
const maxFiles = 200

// CallFiles are the files of a call, recordings first, those that were removed too.
func (s *Store) CallFiles(ctx context.Context, call events.CallID) ([]File, error) {
	rows, err := s.reader.QueryContext(ctx, "SELECT "+fileColumns+" FROM files WHERE call = ? ORDER BY kind, part, node LIMIT ?", call[:], maxFiles)
	all, err := collect(rows, err, scanFile)
	if err != nil {
		return nil, fmt.Errorf("read the files of call %s: %w", call, err)
	}
	return all, nil
}

// File is one file by its node and name, or ErrNotFound.
func (s *Store) File(ctx context.Context, node, name string) (File, error) {
	rows, err := s.reader.QueryContext(ctx, "SELECT "+fileColumns+" FROM files WHERE node = ? AND name = ?", node, name)
	all, err := collect(rows, err, scanFile)
	switch {
	case err != nil:
		return File{}, fmt.Errorf("read file %s/%s: %w", node, name, err)
	case len(all) == 0:
		return File{}, ErrNotFound
	}
	return all[0], nil
}

// FileFilter chooses files; its zero value takes all that are there.
type FileFilter struct {
	Kind wire.FileKind
	Node string
	// Removed takes those that were removed, too.
	Removed bool
}

// FilePage is one page of files, newest first.
type FilePage struct {
	Rows []File
	PageInfo
}

// Files returns one page of the files, newest first.
func (s *Store) Files(ctx context.Context, filter FileFilter, page Page) (FilePage, error) {
	var c condition
	c.when(filter.Kind != 0, "kind = ?", int64(filter.Kind))
	c.when(filter.Node != "", "node = ?", filter.Node)
	c.when(!filter.Removed, "removed_us = 0")
	rows, more, err := bookPage(ctx, s.reader, bookQuery[File]{
		columns: fileColumns, table: "files", key: "time_us, serial", cursor: 'f', scan: scanFile,
	}, c, page)
	if err != nil {
		return FilePage{}, fmt.Errorf("query files: %w", err)
	}
	result := FilePage{Rows: rows, PageInfo: page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result, nil
}
