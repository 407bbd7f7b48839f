package main_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// inbox is a server that files of CDRs are sent to.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	refuses bool
	asked   map[string]int    // how often each file was offered
	files   map[string]string // those that were taken
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{refuses: true, asked: map[string]int{}, files: map[string]string{}}
	b.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked[r.URL.Path]++
		switch {
		case err != nil || r.Method != http.MethodPut || r.Header.Get("Authorization") != "Bearer for-the-inbox":
			w.WriteHeader(http.StatusForbidden)
		case b.refuses:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			b.files[r.URL.Path] = string(body)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *inbox) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}))
}

// offered are the names of the files that came, taken or not.
func (b *inbox) offered() (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.asked {
		names = append(names, name)
	}
	return names
}

func (b *inbox) accept() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuses = false
}

func (b *inbox) taken() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]string{}
	for name, text := range b.files {
		out[name] = text
	}
	return out
}

// rowsIn counts the CDRs in files by call and leg, which are the first columns.
func rowsIn(t *testing.T, files map[string]string, header, mark string) map[string]int {
	t.Helper()
	rows := map[string]int{}
	for name, text := range files {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if lines[0] != header || len(lines) < 2 {
			t.Errorf("%s has %q", name, text)
		}
		for _, line := range lines[1:] {
			fields := strings.Split(line, mark)
			rows[fields[0]+"/"+fields[1]]++
		}
	}
	return rows
}

func (n *node) writeCdrFiles(t *testing.T, profile string) int {
	t.Helper()
	var out struct {
		CdrFilesWrite struct {
			Files      int
			UserErrors []struct{ Message string }
		}
	}
	n.ask(t, &out, `mutation($k: String!) { cdrFilesWrite(input: {key: $k}) { files userErrors { message } } }`, map[string]any{"k": profile})
	if len(out.CdrFilesWrite.UserErrors) > 0 {
		t.Fatal(out.CdrFilesWrite.UserErrors)
	}
	return out.CdrFilesWrite.Files
}

// TestCdrFiles: a server refuses the first file, the switch is killed meanwhile, and
// more calls come; afterwards each CDR is in exactly one file of each profile.
func TestCdrFiles(t *testing.T) {
	needSipp(t)
	t.Parallel()
	net, data, to := newNetwork(), t.TempDir(), newInbox(t)
	config := "sip: " + net.addr(1) + "\ncdr_files: {allow: [127.0.0.0/8]}\n"
	n := serveOn(t, net, data, config)
	s := &stage{name: "cdrs", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), s.credit, "opening")
	calls := func(count int) {
		vendor := s.takes(t, 0, count, "answer")
		s.calls(t, "call", count, nil, "-d", "300")
		vendor.wait(t)
	}
	calls(3)
	n.settled(t, nil, 6)
	n.apply(t, fmt.Sprintf(`cdr_profiles:
  - {id: all, from: 2020-01-01T00:00:00Z, every: 1d, format: csv, columns: [call, leg, gross_micro], directory: books/all}
  - id: customer
    company: cdrs
    from: 2020-01-01T00:00:00Z
    every: 1d
    format: pipe
    columns: [call, leg, cost_micro]
    url: %s/in
    token: for-the-inbox
    ca: %q
`, to.URL, to.ca()))
	until(t, "the first file is offered", func() bool { return len(to.offered()) == 1 })
	first := to.offered()[0]
	stored := func() map[string]string {
		files := map[string]string{}
		names, err := filepath.Glob(filepath.Join(data, "cdrs", "books", "all", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(text)
		}
		return files
	}
	until(t, "the first file is stored", func() bool { return len(stored()) == 1 })

	n.kill(t)
	n = serveOn(t, net, data, config)
	s.node = n
	to.accept()
	until(t, "the file that was owed is delivered", func() bool { return to.taken()[first] != "" })
	calls(2)
	all := n.settled(t, nil, 10)
	for _, profile := range []string{"all", "customer"} {
		if files := n.writeCdrFiles(t, profile); files != 1 {
			t.Errorf("%s: %d files", profile, files)
		}
		if files := n.writeCdrFiles(t, profile); files != 0 {
			t.Errorf("%s: %d files of nothing", profile, files)
		}
	}
	books, customer := rowsIn(t, stored(), "call,leg,gross_micro", ","), rowsIn(t, to.taken(), "call|leg|cost_micro", "|")
	for _, c := range all {
		key := fmt.Sprintf("%s/%d", strings.TrimPrefix(c.CallID, "call:"), c.Leg)
		if books[key] != 1 || customer[key] != 1-min(c.Leg, 1) {
			t.Errorf("%s is in %d files of all, %d of the customer", key, books[key], customer[key])
		}
	}
	if len(stored()) != 2 || len(to.taken()) != 2 || len(books) != 10 || len(customer) != 5 {
		t.Errorf("%v\n%v", stored(), to.taken())
	}
	n.interrupt(t)
	verify(t, data)
}
