package lookup

import (
	"sync"
	"time"
)

// Zones keeps the time zones that were asked for, nil for a name that is none:
// reading one opens a file. Names come from the catalog, so there are few. It may
// be used from any goroutine, and its zero value is empty.
type Zones struct{ known sync.Map }

// Offset tells how many seconds a time zone, by its IANA name, is ahead of UTC at
// an instant in microseconds.
func (z *Zones) Offset(zone string, us int64) (seconds int, known bool) {
	found, ok := z.known.Load(zone)
	if !ok {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			loc = nil
		}
		found, _ = z.known.LoadOrStore(zone, loc)
	}
	loc, _ := found.(*time.Location)
	if loc == nil {
		return 0, false
	}
	_, seconds = time.UnixMicro(us).In(loc).Zone()
	return seconds, true
}
