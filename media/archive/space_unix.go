//go:build linux || darwin

package archive

import "golang.org/x/sys/unix"

// freeBytes is what an ordinary program may still write to a directory's file
// system; false if it cannot be told.
func freeBytes(dir string) (uint64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Bsize <= 0 {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}
