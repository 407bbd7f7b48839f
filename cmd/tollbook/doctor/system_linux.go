package doctor

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// kernel names the system.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "Linux"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// mostSkew is how far the clock may be off: CDRs of two carriers are compared to
// the second.
const mostSkew = 500 * time.Millisecond

// clock asks the kernel whether something keeps its clock.
func (v *visit) clock(context.Context) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		v.add("clock", Warn, "let the process read the clock's state", "%v", err)
		return
	}
	const mend = "run chrony or systemd-timesyncd: CDRs and billing go by this clock"
	skew := time.Duration(t.Maxerror) * time.Microsecond
	switch {
	case t.Status&unix.STA_UNSYNC != 0:
		v.add("clock", Warn, mend, "nothing synchronises the clock; it says %s", time.Now().UTC().Format(time.RFC3339))
	case skew > mostSkew:
		v.add("clock", Warn, mend, "the clock may be off by %v", skew)
	default:
		v.add("clock", OK, "", "synchronised, off by %v at most", skew)
	}
}
