package node

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollbook/tollbook/graphql/resolve"
)

// Another program that makes the same of the last day of the book goes on with it; one
// that does not says where, and does so only when it is told to.
func TestUpgrade(t *testing.T) {
	mine := Version
	defer func() { Version = mine }()
	dir := t.TempDir()
	runs := func(version string, accept bool) (*Node, string, error) {
		t.Helper()
		Version = version
		c, log := loopback(t, dir), new(sayings)
		c.AcceptFold = accept
		n, err := Start(t.Context(), c, slog.New(slog.NewTextHandler(log, nil)))
		return n, log.String(), err
	}
	stops := func(n *Node) {
		t.Helper()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	n, log, err := runs("1.0", false)
	if err != nil || strings.Contains(log, "the one before") {
		t.Fatal(log, err)
	}
	for i := range 2 { // the next second's first block marks what stood before it
		if _, err := n.ApplyWorld(t.Context(), resolve.WorldEdit{YAML: strings.Replace(smallWorld, `"10"`, []string{`"10"`, `"11"`}[i], 1), Actor: "test"}); err != nil {
			t.Fatal(err)
		}
		at, _ := n.follower.Position()
		if err := n.Await(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
	}
	stops(n)
	if n, log, err = runs("1.0", false); err != nil || strings.Contains(log, "the one before") {
		t.Fatal("the same program compares:", log, err)
	}
	if len(n.upgrade.past.Marks) == 0 || n.upgrade.past.DayUS == 0 {
		t.Fatalf("nothing is left to the next program: %+v", n.upgrade)
	}
	stops(n)
	if n, log, err = runs("2.0", false); err != nil || !strings.Contains(log, "the same of the last day") || n.upgrade.check.Common == 0 {
		t.Fatal("another program does not compare:", log, err)
	}
	n.upgrade.past.Marks[0].Hash = "another"
	stops(n)

	n, log, err = runs("3.0", false)
	if err == nil || !strings.Contains(err.Error(), "--accept-fold") || !strings.Contains(err.Error(), "it was another") || !strings.Contains(err.Error(), "2.0") {
		t.Fatal("a difference is passed over:", n, log, err)
	}
	if n, log, err = runs("3.0", true); err != nil || !strings.Contains(log, "another state of the book is accepted") {
		t.Fatal("a difference is not accepted:", log, err)
	}
	stops(n)
	if n, log, err = runs("3.0", false); err != nil || strings.Contains(log, "accept") {
		t.Fatal("it is accepted for good:", log, err)
	}
	stops(n)
}

// sayings is what a node says, from any of its goroutines.
type sayings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *sayings) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *sayings) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
