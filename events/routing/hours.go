package routing

import "github.com/tollbook/tollbook/events/wire"

const (
	week = 7 * 24 * 60
	// monday is where the minute 0 of 1970, a Thursday, lies in its week.
	monday = 3 * 24 * 60
)

// open tells whether a route's hours include the request's instant. In a time zone
// that nobody knows a route is never open.
func open(route *wire.Route, r *Request) bool {
	offset := 0
	if route.TimeZone != "" && route.TimeZone != "UTC" {
		known := false
		if r.Offset != nil {
			offset, known = r.Offset(route.TimeZone)
		}
		if !known {
			return false
		}
	}
	minute := minuteOfWeek(r.AtUS, offset)
	for _, h := range route.Hours {
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
