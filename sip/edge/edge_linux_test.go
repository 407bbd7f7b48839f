package edge

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollbook/tollbook/media/testnet"
)

// An address is put on an interface for a life, prolonged and taken off.
func TestAddressOfInterface(t *testing.T) {
	n := testnet.New(t)
	for _, text := range []string{"10.77.1.100/24", "fd77:1::100/64"} {
		a := Address{Prefix: netip.MustParsePrefix(text), Interface: "e1"}
		n.In(n.R, func() {
			if err := Take(a); err != nil {
				t.Errorf("what is not there: %v", err)
			}
			for range 2 {
				if err := Put(a, 2*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			if here, err := Present(a); err != nil || !here {
				t.Errorf("%v is there: %v, %v", a, here, err)
			}
		})
		deadline := time.Now().Add(30 * time.Second)
		for gone := false; !gone; { // nobody prolongs it
			n.In(n.R, func() { here, err := Present(a); gone = err == nil && !here })
			if time.Now().After(deadline) {
				t.Fatalf("%v outlives its life", a)
			}
			time.Sleep(50 * time.Millisecond)
		}
		n.In(n.R, func() {
			if err := Put(a, 2*time.Second); err != nil {
				t.Fatal(err)
			}
			if err := Take(a); err != nil {
				t.Error(err)
			}
			if here, _ := Present(a); here {
				t.Errorf("%v is still there", a)
			}
		})
	}
}

// A neighbour that knew another machine as an address's learns where it is now.
func TestAnnounced(t *testing.T) {
	n := testnet.New(t)
	n.IP(n.A, "link set eth0 address 02:00:00:00:00:0a")
	for _, text := range []string{"10.77.1.100/24", "fd77:1::100/64"} {
		a := Address{Prefix: netip.MustParsePrefix(text), Interface: "e1"}
		n.IP(n.A, "neigh replace "+a.Addr().String()+" lladdr 02:00:00:00:00:99 dev eth0 nud stale")
		n.In(n.R, func() {
			if err := Put(a, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			if err := announce(a); err != nil {
				t.Fatal(err)
			}
		})
		deadline := time.Now().Add(30 * time.Second)
		for strings.Contains(n.Run("ip -n "+n.A+" neigh show "+a.Addr().String()), ":99") {
			if time.Now().After(deadline) {
				t.Fatalf("%v is still where it was", a)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// The two messages of a gratuitous ARP name the address as sender and target.
func TestGratuitous(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	frames := gratuitous(mac, [4]byte{192, 0, 2, 1})
	for i, f := range frames {
		ip := []byte{192, 0, 2, 1}
		if len(f) != 42 || f[21] != byte(i+1) || !bytes.Equal(f[6:12], mac) || !bytes.Equal(f[22:28], mac) || !bytes.Equal(f[28:32], ip) || !bytes.Equal(f[38:42], ip) {
			t.Errorf("% x", f)
		}
	}
	if len(frames) != 2 || unix.ETH_P_ARP != arpType {
		t.Error(len(frames))
	}
}

// Who watches hears of addresses that others put there and take off.
func TestWatch(t *testing.T) {
	n := testnet.New(t)
	a := Address{Prefix: netip.MustParsePrefix("10.77.1.100/24"), Interface: "e1"}
	seen, done := make(chan bool, 100), make(chan error, 1)
	go n.In(n.R, func() {
		done <- Watch(t.Context(), func() {
			if here, err := Present(a); err == nil {
				select {
				case seen <- here:
				default:
				}
			}
		})
	})
	await := func(want bool) {
		t.Helper()
		for {
			select {
			case here := <-seen:
				if here == want {
					return
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("it is not seen to be there: %v", want)
			}
		}
	}
	await(false)
	n.IP(n.R, "addr add 10.77.1.100/24 dev e1")
	await(true)
	n.IP(n.R, "addr del 10.77.1.100/24 dev e1")
	await(false)
}
