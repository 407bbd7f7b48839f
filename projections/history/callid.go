package history

import (
	"encoding/hex"
	"fmt"
	"time"
)

// CallID is a call's id: 16 bytes, a UUIDv7, whose first 48 bits are the Unix
// time in milliseconds at which the call began.
type CallID [16]byte

// ParseCallID reads the text form, with or without dashes.
func ParseCallID(text string) (CallID, error) {
	var id CallID
	digits := make([]byte, 0, 32)
	for i := range len(text) {
		if text[i] != '-' {
			digits = append(digits, text[i])
		}
	}
	if len(digits) != 32 {
		return id, fmt.Errorf("call id %q: %w", text, ErrInvalid)
	}
	if _, err := hex.Decode(id[:], digits); err != nil {
		return id, fmt.Errorf("call id %q: %w", text, ErrInvalid)
	}
	return id, nil
}

// callIDFrom copies the bytes of an id and says whether there were 16 of them.
func callIDFrom(b []byte) (CallID, bool) {
	var id CallID
	if len(b) != len(id) {
		return id, false
	}
	copy(id[:], b)
	return id, true
}

// String returns the usual text of a UUID: 8-4-4-4-12 hexadecimal digits.
func (id CallID) String() string {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// IsZero says that there is no id.
func (id CallID) IsZero() bool { return id == CallID{} }

// lastMS is the last millisecond of the year 9999, the end of our file names.
const lastMS = 253402300799999

// TimeUS returns when the call began by its id, in microseconds. An id that is
// not a UUIDv7 has no time and counts as of 1970.
func (id CallID) TimeUS() int64 {
	if id[6]>>4 != 7 {
		return 0
	}
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return min(ms, lastMS) * 1000
}

// Day returns the UTC day whose file holds the call.
func (id CallID) Day() Day { return DayOf(id.TimeUS()) }

// callBound is the smallest id of a time: a bound for ranges of the key.
func callBound(us int64) CallID {
	var id CallID
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

// add returns the day n days later.
func (d Day) add(n int) Day {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return Day(t.AddDate(0, 0, n).Format(time.DateOnly))
}
