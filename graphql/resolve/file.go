package resolve

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/projections/history"
)

// FilesPath is where files are served.
const FilesPath = "/files/"

// Files is what the API needs of the recordings and captures.
type Files interface {
	// HasFile tells whether a file is on this node's disk.
	HasFile(name archive.Name) bool
	// OpenFile opens a file; one that is not here is fetched first. It is CodeNotFound
	// if no node has it, CodeUnavailable if none could be asked.
	OpenFile(ctx context.Context, name archive.Name) (file io.ReadSeekCloser, at time.Time, err error)
	// FetchFile brings a file here and mends it if it is damaged.
	FetchFile(ctx context.Context, name archive.Name) error
	// EraseFile removes a file for good.
	EraseFile(ctx context.Context, name archive.Name, actor, reason string) error
	// FileServed records who was given a file.
	FileServed(ctx context.Context, name archive.Name, actor, address string) error
}

// maxReason bounds the reason of an erasure.
const maxReason = 1000

// errNoFile is the answer about files that there are not and those of others.
func errNoFile(name string) error { return events.NotFound("there is no file %.120q", name) }

// OpenFile opens a file for whoever may have it, and records that he is given it if
// he is for the first time.
func (r *Resolver) OpenFile(ctx context.Context, text string, first bool) (io.ReadSeekCloser, archive.Name, time.Time, error) {
	name, err := archive.ParseName(text)
	if err != nil {
		return nil, name, time.Time{}, errNoFile(text)
	}
	v := auth.FromContext(ctx)
	if v == nil {
		return nil, name, time.Time{}, ErrSignIn
	}
	if name.Kind.Export() || !r.mayHave(ctx, v, name.Call, name.Kind == archive.Recording) {
		return nil, name, time.Time{}, errNoFile(text)
	}
	file, at, err := r.handOut(ctx, v, name, first)
	return file, name, at, err
}

// handOut opens a file for somebody, and records that he is given it if that is asked for.
func (r *Resolver) handOut(ctx context.Context, v *auth.Viewer, name archive.Name, record bool) (io.ReadSeekCloser, time.Time, error) {
	file, at, err := r.Backend.OpenFile(ctx, name)
	if err != nil || !record {
		return file, at, err
	}
	address := ""
	if e := auth.ExchangeFrom(ctx); e != nil {
		address = e.Address
	}
	if err := r.Backend.FileServed(ctx, name, v.Actor, address); err != nil { // nobody hears a call unseen
		return nil, at, errors.Join(err, file.Close())
	}
	return file, at, nil
}

// mayHave tells who may have a call's files: staff, and of recordings the company that
// pays for the call. Captures show the addresses of both sides.
func (r *Resolver) mayHave(ctx context.Context, v *auth.Viewer, call events.CallID, recording bool) bool {
	if v.Staff() {
		return true
	}
	if !recording {
		return false
	}
	row, err := r.History.CDR(ctx, call, 0)
	return err == nil && v.Sees(row.CustomerCompany)
}

// callFiles shows a call's files to whoever may have them.
func (r *Resolver) callFiles(ctx context.Context, call string) ([]*model.CallFile, error) {
	out := []*model.CallFile{}
	id, ok := model.ParseCallID(call)
	v := auth.FromContext(ctx)
	if !ok || v == nil || !r.mayHave(ctx, v, id, true) {
		return out, nil
	}
	files, err := r.History.CallFiles(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range files {
		if v.Staff() || files[i].Kind == wire.FileKind_FILE_KIND_RECORDING {
			out = append(out, r.callFile(&files[i]))
		}
	}
	return out, nil
}

// callFile shows a file.
func (r *Resolver) callFile(f *history.File) *model.CallFile {
	kind, text := model.FileKindRecording, f.Node+"/"+f.Name
	switch f.Kind {
	case wire.FileKind_FILE_KIND_CAPTURE:
		kind = model.FileKindCapture
	case wire.FileKind_FILE_KIND_EXPORT:
		kind = model.FileKindExport
	}
	out := &model.CallFile{
		Name: text, CallID: model.CallID(f.Call), Kind: kind, Part: int(f.Part), Node: f.Node,
		Size: model.Decimal{Units: f.Size}, Sha256: hex.EncodeToString(f.SHA256), Codec: f.Codec, Truncated: f.Truncated, Reason: f.Reason,
		From: instant(f.FromUS), To: instant(f.ToUS), Paused: time.Duration(f.PausedMS) * time.Millisecond,
		Lost: model.Decimal{Units: f.Lost}, MadeAt: events.Instant(f.TimeUS), State: model.FileStateElsewhere,
	}
	name, err := archive.ParseName(text)
	switch {
	case f.RemovedUS != 0:
		why := f.Why
		out.State, out.RemovedAt, out.RemovedWhy = model.FileStateRemoved, instant(f.RemovedUS), &why
		return out
	case err == nil && r.Backend.HasFile(name):
		out.State = model.FileStateHere
	}
	if kind != model.FileKindExport { // that is its job's to give
		url := FilesPath + text
		out.URL = &url
	}
	return out
}

// files shows a page of all files.
func (r *Resolver) files(ctx context.Context, s span, filter history.FileFilter) (*model.Connection[model.CallFile], error) {
	page, err := r.History.Files(ctx, filter, s.page())
	if err != nil {
		return nil, asked(err)
	}
	c := &model.Connection[model.CallFile]{
		AsOf: r.asOf(), PageInfo: model.PageInfo{HasNextPage: page.HasNext, HasPreviousPage: page.HasPrevious},
	}
	for i := range page.Rows {
		f := &page.Rows[i]
		c.Edges = append(c.Edges, &model.Edge[model.CallFile]{Cursor: f.Cursor(), Node: r.callFile(f)})
	}
	bound(c)
	return c, nil
}

func fileFilter(kind *model.FileKind, node *string, removed *bool) history.FileFilter {
	var f history.FileFilter
	if kind != nil {
		f.Kind = wire.FileKind(wire.FileKind_value["FILE_KIND_"+string(*kind)])
	}
	if node != nil {
		f.Node = *node
	}
	if removed != nil {
		f.Removed = *removed
	}
	return f
}

// fetchFile brings a file here.
func (r *Resolver) fetchFile(ctx context.Context, in model.FileFetchInput) (*model.FileFetchPayload, error) {
	payload := &model.FileFetchPayload{UserErrors: []*model.UserError{}}
	name, err := archive.ParseName(in.Name)
	if err != nil {
		err = errNoFile(in.Name)
	} else {
		err = r.Backend.FetchFile(ctx, name)
	}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	f, err := r.History.File(ctx, name.Node, name.Below())
	if err == nil {
		payload.File = r.callFile(&f)
	} else if errors.Is(err, history.ErrNotFound) {
		err = nil // it is here, and its event on its own node alone
	}
	return payload, err
}

// eraseFile removes a file for good.
func (r *Resolver) eraseFile(ctx context.Context, in model.FileEraseInput) (*model.FileErasePayload, error) {
	name, err := archive.ParseName(in.Name)
	switch {
	case err != nil:
		err = errNoFile(in.Name)
	case in.Reason == "" || len(in.Reason) > maxReason:
		err = events.Invalid("a reason is needed, of %d bytes at most", maxReason).At("input.reason")
	default:
		err = r.Backend.EraseFile(ctx, name, auth.FromContext(ctx).Actor, in.Reason)
	}
	payload := &model.FileErasePayload{UserErrors: []*model.UserError{}}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	payload.Removed = &in.Name
	return payload, nil
}
