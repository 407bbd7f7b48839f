//go:build linux || darwin

package doctor

import "golang.org/x/sys/unix"

// fileLimit is the soft limit; Go raises it to the hard one at start.
func fileLimit() (limit uint64, known bool) {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return r.Cur, true
}

// freeBytes is what an ordinary program may still write to a file system.
func freeBytes(dir string) (uint64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Bsize <= 0 {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}
