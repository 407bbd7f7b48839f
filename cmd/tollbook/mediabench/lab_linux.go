package mediabench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The one network: near is the relay's, the others are the ends of the two sides.
var (
	nearAddr = netip.MustParseAddr("10.99.0.1")
	farAddrs = [2]netip.Addr{netip.MustParseAddr("10.99.0.11"), netip.MustParseAddr("10.99.0.12")}
)

// Hardware addresses are fixed, so that nobody needs to ask for them.
const (
	nearMAC = "02:00:00:00:00:01"
	farMAC  = "02:00:00:00:00:02"
	loopMAC = "02:00:00:00:00:03"
	backMAC = "02:00:00:00:00:04"
	// sinkMAC is nobody's: what is sent to the ends is seen by the sink, and goes no
	// further. Else the relay's processor would pay for looking up where it should go.
	sinkMAC = "02:00:00:00:00:05"
)

// lab is the two namespaces. The far one has a second cable from itself to itself,
// on which the ends are measured without a relay.
type lab struct {
	near, far string
	// relayCPU runs the relay, farCPU the ends.
	relayCPU, farCPU int
}

const labPrefix = "tollbook-bench-"

// newLab makes it. It needs root.
func newLab(ctx context.Context) (*lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root: run it with sudo")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, errors.New("the program ip is not installed (package iproute2)")
	}
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return nil, fmt.Errorf("which processors there are: %w", err)
	}
	if cpus.Count() < 2 {
		return nil, errors.New("it needs two processors: one for the relay, one for the ends of the calls")
	}
	name := labPrefix + strconv.Itoa(os.Getpid())
	l := &lab{near: name + "-near", far: name + "-far"}
	for i := range len(cpus) * 64 {
		if cpus.IsSet(i) {
			l.relayCPU = i
		}
	}
	for !cpus.IsSet(l.farCPU) {
		l.farCPU++
	}
	if err := clearDead(ctx); err != nil {
		return nil, err
	}
	if err := l.make(ctx); err != nil {
		l.remove()
		return nil, err
	}
	return l, nil
}

func (l *lab) make(ctx context.Context) error {
	lines := []string{
		"netns add " + l.near, "netns add " + l.far,
		"-n " + l.far + " link add far type veth peer name near netns " + l.near,
		"-n " + l.far + " link add loop type veth peer name back",
		"-n " + l.near + " link set near address " + nearMAC, "-n " + l.far + " link set far address " + farMAC,
		"-n " + l.far + " link set loop address " + loopMAC, "-n " + l.far + " link set back address " + backMAC,
		"-n " + l.near + " addr add " + nearAddr.String() + "/24 dev near",
	}
	for _, link := range []string{"far", "loop", "back"} {
		lines = append(lines, "-n "+l.far+" link set "+link+" up")
	}
	lines = append(lines, "-n "+l.near+" link set lo up", "-n "+l.near+" link set near up")
	for _, addr := range farAddrs {
		lines = append(lines, fmt.Sprintf("-n %s neigh replace %s lladdr %s dev near nud permanent", l.near, addr, sinkMAC))
	}
	for _, line := range lines {
		if err := ip(ctx, strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// remove takes the namespaces away, and the cables with them.
func (l *lab) remove() {
	for _, ns := range []string{l.near, l.far} {
		_ = ip(context.Background(), "netns", "del", ns) // it may not have been made
	}
}

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// clearDead removes what runs that were killed have left.
func clearDead(ctx context.Context) error {
	entries, err := os.ReadDir("/run/netns")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), labPrefix)
		pid, _, _ := strings.Cut(rest, "-")
		if _, gone := os.Stat("/proc/" + pid); ours && errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, ip(ctx, "netns", "del", e.Name()))
		}
	}
	return err
}

// within does something on a thread that is in a namespace and on one processor, and
// goes before others: processes and sockets that it makes stay so. The thread ends.
func within(ns string, cpu int, do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread is of no other use
		done <- func() error {
			f, err := os.Open("/run/netns/" + ns)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter %s: %w", ns, err)
			}
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				return fmt.Errorf("stay on processor %d: %w", cpu, err)
			}
			// With the lowest of the priorities that go before whatever else runs.
			first := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
			if err := unix.SchedSetAttr(0, &first, 0); err != nil {
				return fmt.Errorf("go before others: %w", err)
			}
			return do()
		}()
	}()
	return <-done
}

// hardware reads one of the addresses above.
func hardware(text string) [6]byte {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		panic("mediabench: no hardware address: " + text)
	}
	return [6]byte(mac)
}
