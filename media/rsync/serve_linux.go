package rsync

import "golang.org/x/sys/unix"

// maxMemory bounds what a connection's process may allocate.
const maxMemory = 1 << 30

// behave makes the process a small one that comes behind the calls.
func behave() error {
	limit := unix.Rlimit{Cur: maxMemory, Max: maxMemory}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 10)
}
