package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// jobAccounts are enough that a list of them takes a while.
const jobAccounts = 3000

type jobState struct {
	State, Node, Error, URL, Sha256, Rows string
	Begun                                 int
}

// started begins a job that lists all accounts.
func (a *api) started(t *testing.T, format string) (key string) {
	t.Helper()
	var said struct {
		JobStart struct {
			Job        struct{ Key string }
			UserErrors []struct{ Message string }
		}
	}
	a.ask(t, &said, `mutation ($f: JobFormat!) { jobStart(input: {list: "accounts", format: $f}) { job { key } userErrors { message } } }`, map[string]any{"f": format})
	if len(said.JobStart.UserErrors) > 0 {
		t.Fatal(said)
	}
	return said.JobStart.Job.Key
}

func (a *api) job(t *testing.T, key string) jobState {
	t.Helper()
	var said struct{ Node *jobState }
	a.ask(t, &said, `query ($id: ID!) { node(id: $id) { ... on Job { state node error url sha256 rows begun } } }`, map[string]any{"id": "job:" + key})
	if said.Node == nil {
		return jobState{}
	}
	return *said.Node
}

// listed looks at the file of a job that is done: each account is there once.
func listed(t *testing.T, j jobState, data []byte) {
	t.Helper()
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != j.Sha256 {
		t.Errorf("the file's hash is %x, the job's %s", sum, j.Sha256)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		seen[row[1]] = true
	}
	for n := range jobAccounts {
		if id := fmt.Sprintf("a%04d", n); !seen[id] {
			t.Fatalf("account %s is missing", id)
		}
	}
	if fmt.Sprint(len(rows)-1) != j.Rows || len(seen) != len(rows)-1 {
		t.Errorf("%d rows of %d accounts, the job says %s", len(rows)-1, len(seen), j.Rows)
	}
}

func manyAccounts() string {
	var out strings.Builder
	out.WriteString("companies:\n  - id: many\n    accounts:\n")
	for n := range jobAccounts {
		fmt.Fprintf(&out, "      - {id: a%04d, currency: USD, kind: customer}\n", n)
	}
	return out.String()
}

// TestJobs kills a node while it writes a list into a file: started again it writes the
// list from the start, once. Another job is cancelled.
func TestJobs(t *testing.T) {
	t.Parallel()
	data, net := t.TempDir(), newNetwork()
	n := serve(t, net, data)
	n.apply(t, manyAccounts())
	key := n.started(t, "CSV")
	until(t, "the job is under way", func() bool { return n.job(t, key).State != "QUEUED" })
	before := n.job(t, key)
	n.kill(t)
	n = serve(t, net, data)
	until(t, "the job is done", func() bool { return n.job(t, key).State == "DONE" })
	after := n.job(t, key)
	t.Logf("killed when the job was %s, done when it was begun %d times", before.State, after.Begun)
	if before.State == "RUNNING" && after.Begun != 2 {
		t.Errorf("begun %d times", after.Begun)
	}
	listed(t, after, n.download(t, after.URL, ""))
	var ended [5]string
	for i := range ended {
		ended[i] = n.started(t, "XLSX")
	}
	n.ask(t, &struct{}{}, `mutation ($k: String!) { jobCancel(input: {key: $k}) { userErrors { code } } }`, map[string]any{"k": ended[4]})
	want := [5]string{"DONE", "DONE", "DONE", "DONE", "CANCELLED"}
	for i, key := range ended {
		until(t, "a job has ended", func() bool { return n.job(t, key).State == want[i] })
	}
	if data := n.download(t, n.job(t, ended[0]).URL, ""); !bytes.HasPrefix(data, []byte("PK")) {
		t.Errorf("no workbook: %.20q", data)
	}
	n.interrupt(t)
	verify(t, data)
}

// TestClusterJobs kills the node that keeps the book, and works on a job: the next keeper
// does it, and any node gives its file.
func TestClusterJobs(t *testing.T) {
	needCluster(t)
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	g.nodes["n1"].apply(t, manyAccounts())
	g.agrees(t, 3)
	keeper := g.keeper(t)
	key := g.nodes[keeper].started(t, "CSV")
	until(t, "the job is under way", func() bool { return g.nodes[keeper].job(t, key).State != "QUEUED" })
	before := g.nodes[keeper].job(t, key)
	g.nodes[keeper].kill(t)
	for name, n := range g.nodes {
		if name == keeper {
			continue
		}
		until(t, "the job is done", func() bool { return n.job(t, key).State == "DONE" })
		after := n.job(t, key)
		t.Logf("%s was killed when the job was %s; %s has done it, begun %d times", keeper, before.State, after.Node, after.Begun)
		if before.State == "RUNNING" && (after.Begun != 2 || after.Node == keeper) {
			t.Errorf("begun %d times, by %s", after.Begun, after.Node)
		}
		if after.Node != keeper {
			listed(t, after, n.download(t, after.URL, ""))
		}
	}
}
