//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// havoc is three nodes that are killed, stopped, cut off from each other, starved of
// disk, and robbed of their stores, while payments, edits and calls come through all of
// them.
type havoc struct {
	*lan
	rand    *rand.Rand
	clients sync.WaitGroup
	stop    context.CancelFunc
	seed    uint64

	mu sync.Mutex
	// urls are where the nodes answer now.
	urls map[string]string
	// acked and unknown are the payments and edits that were confirmed, and those of
	// which nobody said anything, by their keys.
	acked, unknown map[string]bool
	twice          int // payments that were booked more than once, or by nobody
}

// TestHavoc runs TOLLBOOK_HAVOC seeds, from TOLLBOOK_SEED on. At the end every command
// that was confirmed is in the books once, on all nodes the same, and the books add up.
func TestHavoc(t *testing.T) {
	seeds, err := strconv.ParseUint(os.Getenv("TOLLBOOK_HAVOC"), 10, 64)
	if err != nil {
		t.Skip("SKIPPED: this is for make havoc")
	}
	from, err := strconv.ParseUint(os.Getenv("TOLLBOOK_SEED"), 10, 64)
	if err != nil {
		from = 1
	}
	for seed := from; seed < from+seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { wreak(t, seed) })
	}
}

const havocFor = 45 * time.Second

func wreak(t *testing.T, seed uint64) {
	h := &havoc{
		lan: newLan(t), rand: rand.New(rand.NewPCG(seed, 0)), seed: seed,
		urls: map[string]string{}, acked: map[string]bool{}, unknown: map[string]bool{},
	}
	for _, name := range h.names() {
		h.disk(t, name)
	}
	h.open(t)
	h.work(t)
	var last string
	for end := time.Now().Add(havocFor); time.Now().Before(end); {
		fault := h.faults()[h.rand.IntN(len(h.faults()))]
		name := h.names()[h.rand.IntN(3)]
		last = fault.name + " " + name
		t.Logf("%s: %s", time.Now().Format("15:04:05.000"), last)
		fault.do(t, name)
		h.whole(t)
		time.Sleep(time.Duration(h.rand.IntN(2000)) * time.Millisecond)
	}
	h.stop()
	h.clients.Wait()
	h.check(t)
}

func (l *lan) names() []string { return []string{"n1", "n2", "n3"} }

// disk gives a node's data a file system of its own, which can be filled.
func (h *havoc) disk(t *testing.T, name string) {
	t.Helper()
	dir := h.path(name, "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.Run("mount -t tmpfs -o size=256m tmpfs " + dir)
	t.Cleanup(func() {
		if n := h.nodes[name]; n != nil && n.alive() {
			n.kill(t)
		}
		h.Run("umount -l " + dir)
	})
}

// fault is something that happens to a node, and is over when it returns.
type fault struct {
	name string
	do   func(t *testing.T, name string)
}

func (h *havoc) faults() []fault {
	return []fault{
		{"killed", h.killed}, {"killed", h.killed}, {"stopped", h.stopped}, {"cut off", h.cutOff},
		{"deaf to another", h.deaf}, {"disk full", h.diskFull}, {"store damaged", h.damaged}, {"store lost", h.lost},
	}
}

func (h *havoc) while() { time.Sleep(time.Duration(500+h.rand.IntN(5500)) * time.Millisecond) }

func (h *havoc) killed(t *testing.T, name string) {
	h.nodes[name].kill(t)
	h.while()
	h.back(t, name)
}

func (h *havoc) stopped(t *testing.T, name string) {
	goOn := h.nodes[name].stop(t)
	h.while()
	goOn()
}

// filter drops what comes to a node from others.
func (l *lan) filter(t *testing.T, name string, from ...string) (heal func()) {
	t.Helper()
	nft := func(args ...string) {
		cmd := exec.Command("ip", append([]string{"netns", "exec", l.Hosts[name], "nft"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft %v: %s", args, out)
		}
	}
	nft("add", "table", "ip", "havoc")
	nft("add", "chain", "ip", "havoc", "in", "{ type filter hook input priority 0 ; }")
	for _, other := range from {
		nft("add", "rule", "ip", "havoc", "in", "ip", "saddr", l.net.ip(last[other]), "drop")
	}
	return func() { nft("delete", "table", "ip", "havoc") }
}

func (l *lan) others(name string) []string {
	return slices.DeleteFunc(l.names(), func(n string) bool { return n == name })
}

// cutOff has a node neither hear the others nor be heard by them.
func (h *havoc) cutOff(t *testing.T, name string) {
	heal := h.isolate(t, name)
	h.while()
	heal()
}

func (l *lan) isolate(t *testing.T, name string) (heal func()) {
	all := []func(){l.filter(t, name, l.others(name)...)}
	for _, other := range l.others(name) {
		all = append(all, l.filter(t, other, name))
	}
	return func() {
		for _, fn := range all {
			fn()
		}
	}
}

// deaf has a node not hear one of the others, which hears it.
func (h *havoc) deaf(t *testing.T, name string) {
	heal := h.filter(t, name, h.others(name)[h.rand.IntN(2)])
	h.while()
	heal()
}

func (h *havoc) diskFull(t *testing.T, name string) {
	path := filepath.Join(h.nodes[name].data, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, nothing{})
	if err == nil {
		t.Fatal("the disk is endless")
	}
	h.while()
	if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
}

// nothing is zeros without end.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// damaged flips a bit somewhere in a node's copy of the book.
func (h *havoc) damaged(t *testing.T, name string) {
	h.nodes[name].kill(t)
	files, err := filepath.Glob(filepath.Join(h.nodes[name].data, "jetstream", "$G", "streams", "BOOK", "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	path := files[h.rand.IntN(len(files))]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 {
		text[h.rand.IntN(len(text))] ^= 1 << h.rand.IntN(8)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h.back(t, name)
}

// lost has a node come back with nothing.
func (h *havoc) lost(t *testing.T, name string) {
	h.nodes[name].kill(t)
	entries, err := os.ReadDir(h.nodes[name].data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(h.nodes[name].data, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	h.back(t, name)
}

// back starts a node again.
func (h *havoc) back(t *testing.T, name string) {
	t.Helper()
	h.group.start(t, name)
	h.mu.Lock()
	h.urls[name] = h.nodes[name].url
	h.mu.Unlock()
}

// whole starts what has ended meanwhile, and waits until all nodes see each other and
// each has all that the streams hold: only then may the next store be lost.
func (h *havoc) whole(t *testing.T) {
	t.Helper()
	until(t, "all nodes are whole", func() bool {
		for _, name := range h.names() {
			if !h.nodes[name].alive() {
				t.Logf("%s has ended by itself: %s", name, lastLine(h.nodes[name].stderr.String()))
				h.back(t, name)
			}
		}
		for _, name := range h.names() {
			if !h.seesAll(t, name) {
				return false
			}
		}
		return true
	})
	key := fmt.Sprint("whole ", h.seed, " ", time.Now().UnixNano())
	var position string
	until(t, "a payment is taken", func() bool { return h.pay(t.Context(), h.nodes["n1"].url, key, &position) == nil })
	h.settle(key, nil)
	for _, name := range h.names() {
		until(t, name+" has read it", func() bool {
			var answer struct{ Entry []struct{ Reason string } }
			err := post(t.Context(), h.nodes[name].url, `query ($p: Position!) { entry(position: $p) { reason } }`, map[string]any{"p": position}, &answer)
			return err == nil && len(answer.Entry) > 0
		})
	}
}

// seesAll says whether a node sees all of them up and whole, and one keeper.
func (h *havoc) seesAll(t *testing.T, name string) bool {
	var answer struct {
		Members []struct {
			Name                 string
			Up, Whole, KeepsBook bool
			DiffersAt            *string
		}
	}
	if err := post(t.Context(), h.nodes[name].url, `{ members { name up whole keepsBook differsAt } }`, nil, &answer); err != nil {
		return false
	}
	whole, keep := 0, 0
	for _, m := range answer.Members {
		if m.DiffersAt != nil {
			t.Fatalf("%s: %+v", name, m)
		}
		if m.Up && m.Whole {
			whole++
		}
		if m.KeepsBook {
			keep++
		}
	}
	return whole == 3 && keep == 1
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
