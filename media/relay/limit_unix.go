//go:build unix

package relay

import "golang.org/x/sys/unix"

// fileLimit is the soft limit; Go raises it to the hard one at start.
func fileLimit() (limit uint64, known bool) {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return r.Cur, true
}
