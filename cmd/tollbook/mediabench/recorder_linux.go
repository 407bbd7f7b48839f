package mediabench

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/evidence"
	"github.com/tollbook/tollbook/media/relay"
)

// recorder records all calls of a relay that is measured. Nil records none.
type recorder struct {
	files  *archive.Store
	keeper *evidence.Keeper
	calls  []*evidence.Call
	report relayReport
}

func openRecorder(dir string) (*recorder, error) {
	if dir == "" {
		return nil, nil
	}
	files, err := archive.Open(archive.Config{Dir: dir, Node: "bench", Record: func(context.Context, ...*wire.Event) error { return nil }})
	if err != nil {
		return nil, err
	}
	return &recorder{files: files, keeper: evidence.Open(evidence.Config{Files: files, Log: slog.New(slog.DiscardHandler)})}, nil
}

func (r *recorder) record(m *relay.Call) error {
	if r == nil {
		return nil
	}
	var serial [10]byte
	binary.BigEndian.PutUint32(serial[:], uint32(len(r.calls)))
	c := r.keeper.Begin(events.NewCallID(time.Now(), serial))
	c.Media(m)
	r.calls = append(r.calls, c)
	if err := c.Steer(wire.RecordingAction_RECORDING_ACTION_START); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// close ends all recordings and says what became of them; a second time it only says so.
func (r *recorder) close() relayReport {
	if r == nil {
		return relayReport{}
	}
	if r.calls != nil {
		for _, c := range r.calls {
			c.End()
		}
		r.calls = nil
		r.keeper.Close()
		stats := r.keeper.Stats()
		r.report = relayReport{Recordings: stats.Recordings, Unrecorded: stats.Lost}
		r.files.Close()
	}
	return r.report
}
