package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/cdrfile"
	"github.com/tollbook/tollbook/projections/history"
)

// CdrFiles says where this node may put files of CDRs.
type CdrFiles struct {
	// Dir is where the directories of profiles are; empty is cdrs in the node's data.
	Dir string `yaml:"dir"`
	// Allow are networks that files may be sent to although they are private, as 10.1.0.0/16.
	Allow []string `yaml:"allow"`
}

func (c CdrFiles) parse(data string) (dir string, allow []netip.Prefix, err error) {
	if allow, err = networks("cdr_files.allow", c.Allow); err != nil {
		return "", nil, err
	}
	if dir = c.Dir; dir == "" {
		dir = filepath.Join(data, "cdrs")
	}
	return dir, allow, nil
}

const (
	// cdrTick is how often it is looked whether files are due.
	cdrTick = time.Second
	// lostAfter is how long a CDR whose beginning nobody observed is waited for.
	lostAfter = 24 * time.Hour
	// leastPause to mostPause are between deliveries that fail, each twice the one before.
	leastPause = 5 * time.Second
	mostPause  = 10 * time.Minute
	// lateAfter is how long a file is owed before people are told.
	lateAfter = time.Hour
	// maxLateReason bounds what is told of a failure, in bytes.
	maxLateReason = 300
)

// cutting is how this node stands with a profile.
type cutting struct {
	mu sync.Mutex // held by who works on the profile
	// slot is the last interval in which it was looked for CDRs.
	slot  int64
	next  time.Time // of the next delivery, after one that failed
	pause time.Duration
	told  uint64 // the last file that was told to be late
}

// cdrFiles writes the files of all profiles when they are due, where this node keeps the
// book. What is in a file is decided in the book, each by the version of the one before;
// so a CDR comes into one file, whoever keeps the book meanwhile.
func (n *Node) cdrFiles(ctx context.Context) error {
	return n.whileKeeping(ctx, cdrTick, func(now time.Time) {
		for _, item := range n.Catalog().List(catalog.KindCdrProfile) {
			if p := item.Entity.GetCdrProfile(); !p.Disabled {
				n.dueCdrFiles(p, now)
			}
		}
	})
}

// dueCdrFiles begins work on a profile, unless it is under way: a slow server keeps
// nobody else waiting.
func (n *Node) dueCdrFiles(p *wire.CdrProfile, now time.Time) {
	known, _ := n.cuttings.LoadOrStore(p.Id, new(cutting))
	c := known.(*cutting)
	n.unlessBusy(&c.mu, func() {
		progress, _ := n.progress(p.Id)
		slot := cdrSlot(p, now.UnixMicro())
		owed := progress != nil && progress.DeliveredUs == 0
		due := slot > c.slot && (progress == nil || slot > cdrSlot(p, progress.CutUs))
		if now.Before(c.next) || !owed && !due {
			return
		}
		if _, err := n.writeCdrFiles(n.ctx, p); err != nil {
			c.pause = min(max(2*c.pause, leastPause), mostPause)
			c.next = time.Now().Add(c.pause)
			n.tellLate(c, p.Id, err)
			n.log.Warn("files of CDRs could not be written; it is tried again", "profile", p.Id, "in", c.pause, "err", err)
			return
		}
		c.slot, c.pause, c.next = slot, 0, time.Time{}
	})
}

// tellLate raises the alert of a file that is owed for too long, once for each file. Since
// when it is owed stands in the book, so a new start of the node does not begin to wait anew.
func (n *Node) tellLate(c *cutting, profile string, reason error) {
	progress, _ := n.progress(profile)
	late := cdrFileLate(progress, time.Now(), reason)
	if late == nil || late.Number == c.told {
		return
	}
	c.told = late.Number
	n.log.Error("a file of CDRs could not be delivered for an hour", "profile", profile, "file", late.Number, "err", reason)
	n.audit.observe(&wire.Event{Body: &wire.Event_CdrFileLate{CdrFileLate: late}})
}

// cdrFileLate is what is to be told of a profile's last file, nil for nothing.
func cdrFileLate(progress *wire.CdrProgress, now time.Time, reason error) *wire.CdrFileLate {
	if progress == nil || progress.DeliveredUs != 0 || now.UnixMicro()-progress.CutUs < lateAfter.Microseconds() {
		return nil
	}
	text := reason.Error()
	text = strings.ToValidUTF8(text[:min(len(text), maxLateReason)], "?")
	return &wire.CdrFileLate{Profile: progress.Id, Number: progress.Number, CutUs: progress.CutUs, Reason: text}
}

// cdrSlot numbers a profile's intervals.
func cdrSlot(p *wire.CdrProfile, us int64) int64 {
	return (us/1e6 - int64(p.OffsetS)) / int64(max(p.IntervalS, 1))
}

// WriteCdrFiles writes a profile's files now, and tells how many.
func (n *Node) WriteCdrFiles(ctx context.Context, profile string) (int, error) {
	p := n.Catalog().CdrProfile(profile)
	switch {
	case p == nil:
		return 0, events.NotFound("there is no profile %s of CDR files", profile)
	case !n.terms.Keeps():
		return 0, events.Refuse(events.CodeUnavailable, "the node that keeps the book writes files of CDRs: ask that one")
	}
	known, _ := n.cuttings.LoadOrStore(p.Id, new(cutting))
	c := known.(*cutting)
	if !c.mu.TryLock() {
		return 0, events.Refuse(events.CodeConflict, "files of profile %s are being written now", profile)
	}
	defer c.mu.Unlock()
	return n.writeCdrFiles(ctx, p)
}

// writeCdrFiles delivers what is owed and then all that is in no file yet.
func (n *Node) writeCdrFiles(ctx context.Context, p *wire.CdrProfile) (files int, err error) {
	for ctx.Err() == nil {
		progress, version := n.progress(p.Id)
		if progress == nil || progress.DeliveredUs != 0 {
			if files > 0 && progress.GetCount() < catalog.MaxCdrRows {
				return files, nil
			}
			progress, version, err = n.cutCdrFile(ctx, p, progress, version)
			if err != nil || progress == nil {
				return files, err
			}
		}
		if err := n.deliverCdrFile(ctx, p, progress, version); err != nil {
			return files, err
		}
		files++
	}
	return files, ctx.Err()
}

// progress is a profile's last file, nil before the first, and its version.
func (n *Node) progress(profile string) (*wire.CdrProgress, events.Position) {
	item, _ := n.Catalog().Get(catalog.Ref{Kind: catalog.KindCdrProgress, ID: profile})
	return item.Entity.GetCdrProgress(), item.Version
}

// cutCdrFile decides what is in the next file; nil for nothing.
func (n *Node) cutCdrFile(ctx context.Context, p *wire.CdrProfile, last *wire.CdrProgress, version events.Position) (*wire.CdrProgress, events.Position, error) {
	// What the files up to the last one have must be known to the history. Another file
	// behind that makes the version another one, and the book refuses this one.
	if err := n.Await(ctx, version); err != nil {
		return nil, 0, err
	}
	now := time.Now()
	keys, err := n.history.Uncut(ctx, history.Cut{Profile: p, LostBeforeUS: now.Add(-lostAfter).UnixMicro(), Limit: catalog.MaxCdrRows})
	if err != nil || len(keys) == 0 {
		return nil, 0, err
	}
	next := &wire.CdrProgress{
		Id: p.Id, Number: last.GetNumber() + 1, Rows: history.PackKeys(keys), Count: uint32(len(keys)), CutUs: now.UnixMicro(),
	}
	version, err = n.putProgress(ctx, next, version, fmt.Sprintf("what is in file %d of %s", next.Number, p.Id))
	return next, version, err
}

// deliverCdrFile makes a file of the rows that it was decided to have and brings it to
// its place.
func (n *Node) deliverCdrFile(ctx context.Context, p *wire.CdrProfile, progress *wire.CdrProgress, version events.Position) error {
	rows, err := n.history.Rows(ctx, history.UnpackKeys(progress.Rows), p.Company)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if p.Format == wire.CdrFormat_CDR_FORMAT_XLSX {
		err = cdrfile.WriteWorkbook(&file, rows, p.Columns)
	} else {
		err = history.WriteRows(&file, rows, p.Columns, p.Format == wire.CdrFormat_CDR_FORMAT_PIPE)
	}
	if err != nil {
		return err
	}
	to := cdrfile.Target{Base: n.settings.cdrDir, Directory: p.Directory, URL: p.Url, CA: p.Ca, HostKey: p.HostKey, Allow: n.settings.cdrAllow}
	if len(p.Secret) > 0 {
		token, err := n.key.Unwrap(catalog.Ref{Kind: catalog.KindCdrProfile, ID: p.Id}.String(), p.Secret)
		if err != nil {
			return err
		}
		to.Token = string(token)
	}
	if err := to.Put(ctx, cdrFileName(p, progress), file.Bytes()); err != nil {
		return err
	}
	sum := sha256.Sum256(file.Bytes())
	_, err = n.putProgress(ctx, &wire.CdrProgress{
		Id: p.Id, Number: progress.Number, Count: progress.Count, CutUs: progress.CutUs, DeliveredUs: time.Now().UnixMicro(),
		Sha256: sum[:], Size: uint64(file.Len()),
	}, version, fmt.Sprintf("file %d of %s is delivered", progress.Number, p.Id))
	return err
}

// cdrFileName is the same for each delivery of a file.
func cdrFileName(p *wire.CdrProfile, of *wire.CdrProgress) string {
	ending := "csv"
	switch p.Format {
	case wire.CdrFormat_CDR_FORMAT_PIPE:
		ending = "psv"
	case wire.CdrFormat_CDR_FORMAT_XLSX:
		ending = "xlsx"
	}
	return fmt.Sprintf("%s-%08d-%s.%s", p.Id, of.Number, time.UnixMicro(of.CutUs).UTC().Format("20060102T150405Z"), ending)
}

// putProgress puts a progress behind the version that it was made from.
func (n *Node) putProgress(ctx context.Context, p *wire.CdrProgress, version events.Position, note string) (events.Position, error) {
	if err := n.putEntity(ctx, catalog.EntityOf(p), version, note); err != nil {
		return 0, err
	}
	now, version := n.progress(p.Id)
	if !proto.Equal(now, p) {
		return 0, events.Refuse(events.CodeConflict, "another node has gone on with the files of %s", p.Id)
	}
	return version, nil
}
