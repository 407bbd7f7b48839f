package routing

import "github.com/tollbook/tollbook/events/wire"

const (
	week = 7 * 24 * 60
	// monday is where the minute 0 of 1970, a Thursday, lies in its week.
	monday = 3 * 24 * 60
)

// Open tells whether hours in a time zone include an instant. In a time zone that
// nobody knows they never do.
func Open(hours []*wire.Hours, zone string, atUS int64, offsetOf func(zone string) (seconds int, known bool)) bool {
	offset := 0
	if zone != "" && zone != "UTC" {
		known := false
		if offsetOf != nil {
			offset, known = offsetOf(zone)
		}
		if !known {
			return false
		}
	}
	minute := minuteOfWeek(atUS, offset)
	for _, h := range hours {
		if within(h, minute) {
			return true
		}
	}
	return false
}

// minuteOfWeek counts from Monday 00:00, at an offset from UTC in seconds.
func minuteOfWeek(us int64, offset int) uint32 {
	seconds := us/1_000_000 + int64(offset)
	minutes := seconds / 60
	if seconds%60 < 0 {
		minutes--
	}
	return uint32(((minutes+monday)%week + week) % week)
}

func within(h *wire.Hours, minute uint32) bool {
	if h.FromMinute < h.ToMinute {
		return h.FromMinute <= minute && minute < h.ToMinute
	}
	return minute >= h.FromMinute || minute < h.ToMinute
}
