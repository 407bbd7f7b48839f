package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a call needs, and what is left for all else.
const (
	filesPerCall  = 4 // RTP and RTCP for two legs
	filesForRest  = 256
	portsPerCall  = 4
	leastBuffer   = 1 << 20 // of UDP in bytes: a burst of some hundred INVITEs
	leastFree     = 100 << 20
	plentyFree    = 5 << 30
	slowSync      = 10 * time.Millisecond
	syncs         = 50
	syncSize      = 4096
	mostSyncsTime = 3 * time.Second
)

// files compares RLIMIT_NOFILE with the calls that are wanted.
func (v *visit) files(context.Context) {
	limit, known := fileLimit()
	if !known {
		v.add("files", OK, "", "this system has no RLIMIT_NOFILE")
		return
	}
	calls := (max(limit, filesForRest) - filesForRest) / filesPerCall
	need := uint64(v.plan.MaxCalls)*filesPerCall + filesForRest
	mend := fmt.Sprintf("ulimit -n %d, or LimitNOFILE=%d in the unit; or lower max_calls", need, need)
	switch {
	case calls == 0:
		v.add("files", Stop, mend, "RLIMIT_NOFILE is %d and allows no call", limit)
	case calls < uint64(v.plan.MaxCalls):
		v.add("files", Warn, mend, "RLIMIT_NOFILE is %d and allows %d calls; max_calls is %d", limit, calls, v.plan.MaxCalls)
	default:
		v.add("files", OK, "", "RLIMIT_NOFILE is %d and allows %d calls; max_calls is %d", limit, calls, v.plan.MaxCalls)
	}
}

// ports compares the range of media with the calls that are wanted, and with the
// ports that the system gives to anybody.
func (v *visit) ports(context.Context) {
	span := fmt.Sprintf("%d-%d", v.plan.PortMin, v.plan.PortMax)
	calls := (int(v.plan.PortMax) - int(v.plan.PortMin) + 1) / portsPerCall
	if calls < v.plan.MaxCalls {
		v.add("media.ports", Warn, fmt.Sprintf("widen media.ports to %d ports, or lower max_calls", v.plan.MaxCalls*portsPerCall),
			"%s is enough for %d calls; max_calls is %d", span, calls, v.plan.MaxCalls)
	} else {
		v.add("media.ports", OK, "", "%s is enough for %d calls on each address", span, calls)
	}
	low, high, ok := span2(kernelValue("net/ipv4/ip_local_port_range"))
	if !ok || int(v.plan.PortMax) < low || int(v.plan.PortMin) > high {
		return
	}
	if reserved := kernelValue("net/ipv4/ip_local_reserved_ports"); covers(reserved, int(v.plan.PortMin), int(v.plan.PortMax)) {
		return
	}
	v.add("media.reserved", Warn, "sysctl -w net.ipv4.ip_local_reserved_ports="+span,
		"%s overlaps the ports that the system gives to any program (%d-%d): some may be taken", span, low, high)
}

// span2 reads two numbers with a blank or a dash between them.
func span2(text string) (low, high int, ok bool) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == '-' })
	if len(parts) == 1 {
		parts = append(parts, parts[0])
	}
	if len(parts) != 2 {
		return 0, 0, false
	}
	low, err1 := strconv.Atoi(parts[0])
	high, err2 := strconv.Atoi(parts[1])
	return low, high, err1 == nil && err2 == nil
}

// covers says whether one of a list of spans holds another.
func covers(list string, low, high int) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(one string) bool {
		from, to, ok := span2(one)
		return ok && from <= low && high <= to
	})
}

// kernelValue reads a value of /proc/sys; empty where there is none.
func kernelValue(name string) string {
	text, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// buffers looks at what a UDP socket holds while the switch is busy.
func (v *visit) buffers(context.Context) {
	size, err := strconv.Atoi(kernelValue("net/core/rmem_default"))
	switch {
	case err != nil:
		v.add("udp.buffer", OK, "", "this system does not tell")
	case size < leastBuffer:
		v.add("udp.buffer", Warn, fmt.Sprintf("sysctl -w net.core.rmem_default=%d net.core.rmem_max=%d", leastBuffer, max(leastBuffer, atLeast("net/core/rmem_max"))),
			"net.core.rmem_default is %d bytes: a burst of some hundred requests, or a short halt, loses datagrams", size)
	default:
		v.add("udp.buffer", OK, "", "net.core.rmem_default is %d bytes", size)
	}
}

// atLeast is a number of the kernel's, or 0.
func atLeast(name string) int {
	n, err := strconv.Atoi(kernelValue(name))
	if err != nil {
		return 0
	}
	return n
}

// data looks at the directory of the store: may it be written, is there room, and
// how long does a commit take.
func (v *visit) data(context.Context) {
	dir := v.plan.Data
	at, err := existing(dir)
	if err != nil {
		v.add("data", Stop, "make the directory, or name another in data", "%s: %v", dir, err)
		return
	}
	typical, worst, err := measureSync(at)
	if err != nil {
		v.add("data", Stop, "let the node's user write there (chown, mount options)", "%s cannot be written: %v", at, err)
		return
	}
	text := fmt.Sprintf("%s: a commit to disk takes %v, at worst %v", at, typical.Round(time.Microsecond), worst.Round(time.Microsecond))
	if typical > slowSync {
		v.add("data.sync", Warn, "put data on a disk that syncs faster (SSD with power-loss protection)", "%s: every call waits for one", text)
	} else {
		v.add("data.sync", OK, "", "%s", text)
	}
	v.room(at)
	v.secrets()
}

// existing is the directory, or the nearest one above that is there.
func existing(dir string) (string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(at)
		switch {
		case err == nil && info.IsDir():
			return at, nil
		case err == nil:
			return "", fmt.Errorf("%s is not a directory", at)
		case !errors.Is(err, os.ErrNotExist):
			return "", err
		}
		at = filepath.Dir(at)
	}
}

// measureSync appends to a file of its own and waits for the disk each time.
func measureSync(dir string) (typical, worst time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".tollbook-doctor-*")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, syncSize)
	var took []time.Duration
	for start := time.Now(); len(took) < syncs && (len(took) == 0 || time.Since(start) < mostSyncsTime); {
		before := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(before))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)-1], nil
}

func (v *visit) room(dir string) {
	free, known := freeBytes(dir)
	text := fmt.Sprintf("%.1f GB are free at %s", float64(free)/1e9, dir)
	const mend = "make room, or put data on a larger disk; when it is full no call is let through"
	switch {
	case !known:
		v.add("data.space", OK, "", "this system does not tell how much is free")
	case free < leastFree:
		v.add("data.space", Stop, mend, "%s", text)
	case free < plentyFree:
		v.add("data.space", Warn, mend, "%s", text)
	default:
		v.add("data.space", OK, "", "%s", text)
	}
}

// secrets looks who may read the keys.
func (v *visit) secrets() {
	for _, name := range []string{"cluster.key", "node.key"} {
		path := filepath.Join(v.plan.Data, name)
		info, err := os.Stat(path)
		if err != nil {
			continue // a node that never ran has none
		}
		if info.Mode().Perm()&0o077 != 0 {
			v.add("data.keys", Warn, "chmod 600 "+path, "%s can be read by others (%v)", path, info.Mode().Perm())
		}
	}
}
