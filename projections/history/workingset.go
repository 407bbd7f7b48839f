package history

import (
	"bytes"
	"container/list"
	"context"
	"database/sql/driver"

	"github.com/tollbook/tollbook/events"
)

// knownCall is a call as its day file has it.
type knownCall struct {
	id      events.CallID
	records []record
	rows    []CDR
}

// done says that no row of the call waits for anything.
func (k *knownCall) done() bool {
	for i := range k.rows {
		if k.rows[i].State == Pending {
			return false
		}
	}
	return len(k.rows) > 0
}

// own copies the events' bytes: they are parts of blocks, of which a long call must
// not keep all of the memory.
func (k *knownCall) own() {
	size := 0
	for _, r := range k.records {
		size += len(r.raw)
	}
	all := make([]byte, 0, size)
	for i := range k.records {
		from := len(all)
		all = append(all, k.records[i].raw...)
		k.records[i].raw = all[from:len(all):len(all)]
	}
}

// workingSet keeps unfinished calls decoded, the most recently changed ones. A
// call that is not in it is read from its file.
type workingSet struct {
	limit  int
	calls  map[events.CallID]*list.Element
	recent *list.List
}

func newWorkingSet(limit int) *workingSet {
	return &workingSet{limit: limit, calls: make(map[events.CallID]*list.Element), recent: list.New()}
}

func (w *workingSet) get(id events.CallID) *knownCall {
	if e := w.calls[id]; e != nil {
		return e.Value.(*knownCall)
	}
	return nil
}

// put takes what has been committed.
func (w *workingSet) put(call *knownCall) {
	if e := w.calls[call.id]; e != nil {
		w.recent.Remove(e)
		delete(w.calls, call.id)
	}
	if call.done() {
		return
	}
	call.own()
	w.calls[call.id] = w.recent.PushFront(call)
	for len(w.calls) > w.limit {
		last := w.recent.Back()
		delete(w.calls, last.Value.(*knownCall).id)
		w.recent.Remove(last)
	}
}

// load returns a call as its file has it: without events if it is new there.
func (s *Store) load(ctx context.Context, f *dayFile, id events.CallID) (*knownCall, error) {
	if call := s.calls.get(id); call != nil {
		return call, nil
	}
	call := &knownCall{id: id}
	if string(id[:]) > string(f.newest[:]) {
		return call, nil
	}
	err := f.writer.query(ctx, "SELECT events FROM calls WHERE call = ?", []driver.Value{id[:]},
		func(v []driver.Value) (err error) {
			packed, _ := v[0].([]byte)
			call.records, err = unpack(bytes.Clone(packed))
			return err
		})
	call.rows = fold(id, call.records)
	return call, err
}

// newestCall returns the largest call id in a file.
func newestCall(ctx context.Context, w *writer) (events.CallID, error) {
	var id events.CallID
	err := w.query(ctx, "SELECT call FROM calls ORDER BY call DESC LIMIT 1", nil,
		func(v []driver.Value) error { return id.Scan(v[0]) })
	return id, err
}
