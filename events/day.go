package events

import (
	"sort"
	"time"
)

// DayStart is the first instant of a local day. Days have 23, 24 or 25 hours;
// where the clock skips midnight a day begins when its first hour does.
func DayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	low := time.Date(year, month, day-1, 6, 0, 0, 0, zone).Unix()
	high := time.Date(year, month, day, 18, 0, 0, 0, zone).Unix()
	wanted := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	n := sort.Search(int(high-low), func(i int) bool {
		y, m, d := time.Unix(low+int64(i), 0).In(zone).Date()
		return !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(wanted)
	})
	return time.Unix(low+int64(n), 0).UTC()
}
