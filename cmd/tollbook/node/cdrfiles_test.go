package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// TestCdrFileLate: what is owed for an hour is told, with as much of the reason as fits.
func TestCdrFileLate(t *testing.T) {
	now, reason := time.Unix(1_800_000_000, 0), errors.New(strings.Repeat("é", maxLateReason))
	owed := func(since time.Duration) *wire.CdrProgress {
		return &wire.CdrProgress{Id: "p", Number: 7, CutUs: now.Add(-since).UnixMicro()}
	}
	if late := cdrFileLate(owed(lateAfter-time.Microsecond), now, reason); late != nil {
		t.Error(late)
	}
	if late := cdrFileLate(nil, now, reason); late != nil {
		t.Error(late)
	}
	late := cdrFileLate(owed(lateAfter), now, reason)
	if late.GetProfile() != "p" || late.GetNumber() != 7 || late.GetCutUs() == 0 || len(late.GetReason()) != maxLateReason {
		t.Errorf("%v", late)
	}
	done := owed(2 * lateAfter)
	done.DeliveredUs = 1
	if late := cdrFileLate(done, now, reason); late != nil {
		t.Error(late)
	}
}
