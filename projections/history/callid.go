package history

import (
	"time"

	"github.com/tollbook/tollbook/events"
)

// callIDFrom copies the bytes of an id and says whether there were 16 of them.
func callIDFrom(b []byte) (events.CallID, bool) {
	var id events.CallID
	if len(b) != len(id) {
		return id, false
	}
	copy(id[:], b)
	return id, true
}

// lastMS is the last millisecond of the year 9999, the end of our file names.
const lastMS = 253402300799999

// callTimeUS returns when the call began by its id, in microseconds. An id that is
// not a UUIDv7 has no time and counts as of 1970.
func callTimeUS(id events.CallID) int64 {
	if id[6]>>4 != 7 {
		return 0
	}
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return min(ms, lastMS) * 1000
}

// callDay returns the UTC day whose file holds a call.
func callDay(id events.CallID) Day { return DayOf(callTimeUS(id)) }

// callBound is the smallest id of a time: a bound for ranges of the key.
func callBound(us int64) events.CallID {
	var id events.CallID
	ms := max(us/1000, 0)
	for i := 5; i >= 0; i-- {
		id[i] = byte(ms)
		ms >>= 8
	}
	return id
}

// Day is a UTC day as text, "2026-11-22", which sorts by time.
type Day string

// DayOf returns the day of a time in microseconds.
func DayOf(us int64) Day {
	return Day(time.UnixMicro(us).UTC().Format(time.DateOnly))
}

// valid says that the text is a day.
func (d Day) valid() bool {
	_, err := time.Parse(time.DateOnly, string(d))
	return err == nil
}

// calls returns the bounds of the ids of a day's calls, half-open.
func (d Day) calls() (from, to events.CallID) {
	return callBound(dayStartUS(d)), callBound(dayStartUS(d.add(1)))
}

func dayStartUS(d Day) int64 {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return 0
	}
	return t.UnixMicro()
}

// add returns the day n days later.
func (d Day) add(n int) Day {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return Day(t.AddDate(0, 0, n).Format(time.DateOnly))
}
