package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockedError says that another process uses the data directory.
type LockedError struct {
	// Dir is the data directory.
	Dir string
	// PID is the process that holds it, 0 when it could not be read.
	PID int
}

// Error names the process to stop.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data directory %s is in use by another process; stop it or give another --data", e.Dir)
	}
	return fmt.Sprintf("data directory %s is in use by process %d; stop it or give another --data", e.Dir, e.PID)
}

// lock is an exclusive flock on DIR/lock. The kernel gives it free when the
// process ends, however it ends, so no stale lock can remain.
type lock struct {
	file *os.File
}

func takeLock(dir string) (*lock, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer file.Close()
		return nil, &LockedError{Dir: dir, PID: readPID(file)}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	l := &lock{file: file}
	if err := l.writePID(); err != nil {
		l.release()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return l, nil
}

func (l *lock) writePID() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// release gives the directory free. The file stays: removing it would let two
// processes lock two files of one name.
func (l *lock) release() {
	if l == nil || l.file == nil {
		return
	}
	l.file.Close()
	l.file = nil
}

func readPID(file *os.File) int {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}
