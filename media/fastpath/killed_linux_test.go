package fastpath

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/media/testnet"
)

// victim tells the test program to open a path where it is and to wait for its
// end: as "tcx" or "clsact".
const victim = "TOLLBOOK_FASTPATH_VICTIM"

func TestMain(m *testing.M) {
	kind := os.Getenv(victim)
	if kind == "" {
		goleak.VerifyTestMain(m)
		return
	}
	p, err := Open(Config{Clsact: kind == "clsact", Addresses: []netip.Addr{netip.MustParseAddr("10.77.1.2")}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.Describe())
	select {}
}

// kill starts a victim in r and kills it once it serves.
func kill(t *testing.T, n *testnet.Net, kind string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", n.R, program)
	cmd.Env = append(os.Environ(), victim+"="+kind)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, _ := bufio.NewReader(out).ReadString('\n')
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || said != kind+" on e1\n" {
		t.Fatalf("%v: %q", err, said)
	}
}

// A killed process leaves nothing behind that the next one does not take away.
func TestKilled(t *testing.T) {
	n := testnet.New(t)
	filters := func() int { return strings.Count(n.Run("tc -n "+n.R+" filter show dev e1 ingress"), filterName) }
	links := func() (count int) {
		n.In(n.R, func() {
			e1, err := net.InterfaceByName("e1")
			if err != nil {
				t.Error(err)
				return
			}
			q, err := link.QueryPrograms(link.QueryOptions{Target: e1.Index, Attach: ebpf.AttachTCXIngress})
			if err != nil {
				t.Error(err)
				return
			}
			count = len(q.Programs)
		})
		return count
	}
	kill(t, n, "tcx")
	if links() != 0 || filters() != 0 {
		t.Errorf("%d links, %d filters", links(), filters())
	}
	kill(t, n, "clsact")
	if filters() != 1 {
		t.Fatalf("%d filters: the kernel is said to keep them", filters())
	}
	first := openAlone(t, n, Config{Clsact: true})
	if filters() != 1 {
		t.Errorf("%d filters", filters())
	}
	second := openAlone(t, n, Config{Clsact: true}) // the first is alive
	if filters() != 2 {
		t.Errorf("%d filters", filters())
	}
	for _, p := range []*Path{first, second} {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if filters() != 0 {
		t.Errorf("%d filters", filters())
	}
	open(t, n, Config{})
	if links() == 0 {
		t.Error("no link: the count of links counts nothing")
	}
}
