package lookup_test

import (
	"testing"
	"time"

	"github.com/tollbook/tollbook/projections/lookup"
)

// TestOffset: the same place is ahead of UTC by one hour more in summer, and a
// name that is none stays unknown.
func TestOffset(t *testing.T) {
	var zones lookup.Zones
	for _, c := range []struct {
		zone    string
		at      time.Time
		seconds int
		known   bool
	}{
		{"Europe/Riga", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 7200, true},
		{"Europe/Riga", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), 10800, true},
		{"Europe/Riga", time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC), 7200, true},
		{"Europe/Riga", time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), 10800, true},
		{"America/New_York", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), -18000, true},
		{"No/Where", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0, false},
		{"../../etc/passwd", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0, false},
	} {
		for range 2 { // read, and remembered
			if s, known := zones.Offset(c.zone, c.at.UnixMicro()); s != c.seconds || known != c.known {
				t.Errorf("%s at %s: %d, %v", c.zone, c.at, s, known)
			}
		}
	}
}
