package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// verdictsFile is the table of what the switch says to each message of RFC 4475 and
// RFC 5118: documentation that this test keeps true. With TOLLBOOK_VERDICTS=write
// it fills the last three columns in.
const verdictsFile = "../../docs/sip-verdicts.md"

// verdict is a row of the table.
type verdict struct {
	message string
	// wanted are the answers that the RFC allows: codes, "none", or "routed" for any
	// answer to a call that was understood.
	wanted []string
	// given are the answers over UDP, TCP in one piece, and TCP byte by byte.
	given [3]string
}

var ways = [3]string{"UDP", "TCP", "TCP byte by byte"}

// routed are the answers to a request that was understood.
var routed = []string{"200", "401", "403", "404", "405", "407", "480", "481", "484", "488", "501", "503"}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(verdictsFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := readVerdicts(t, string(text))
	messages := torture(t)
	for name, m := range ipv6Torture(t) {
		messages[name] = m
	}
	for name, m := range messages {
		// Many share a branch, and would be taken for one request that comes again.
		messages[name] = bytes.ReplaceAll(m, []byte("branch=z9hG4bKkdjuw"), []byte("branch=z9hG4bKkdjuw"+name))
	}
	for name := range messages {
		if _, ok := rows[name]; !ok {
			t.Errorf("%s has no row for %s", verdictsFile, name)
		}
	}
	var given [3]map[string]string
	var all sync.WaitGroup
	for way := range ways {
		n := serve(t, newNetwork(), t.TempDir())
		peer := n.net.ip(61)
		n.apply(t, fmt.Sprintf(verdictWorld, peer))
		all.Go(func() { given[way] = hearVerdicts(t, n, peer, way, messages) })
	}
	all.Wait()
	for name, v := range rows {
		for way := range ways {
			got := given[way][name]
			if os.Getenv("TOLLBOOK_VERDICTS") == "write" {
				v.given[way] = got
			} else if got != v.given[way] {
				t.Errorf("%s over %s is answered %s, the table says %s", name, ways[way], got, v.given[way])
			}
			if !slices.Contains(v.wanted, got) && (!slices.Contains(v.wanted, "routed") || !slices.Contains(routed, got)) {
				t.Errorf("%s over %s is answered %s, the RFC wants %v", name, ways[way], got, v.wanted)
			}
		}
	}
	if os.Getenv("TOLLBOOK_VERDICTS") == "write" {
		if err := os.WriteFile(verdictsFile, []byte(writeVerdicts(string(text), rows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const verdictWorld = `
companies: [{id: torture, accounts: [{id: torture-usd, currency: USD, kind: customer}]}]
decks: [{id: torture-sell, currency: USD, rows: "prefix,price\n1555,0.01\n"}]
route_plans: [{id: torture, routes: []}]
originators: [{id: torture, company: torture, account: torture-usd, sell_deck: torture-sell, route_plan: torture, networks: [%s/32]}]
`

// hearVerdicts sends every message from a peer's address and gives the final answers.
func hearVerdicts(t *testing.T, n *node, peer string, way int, messages map[string][]byte) map[string]string {
	given := map[string]string{}
	before := n.memory(t)
	ears := listen(t, peer, messages)
	for name, m := range messages {
		switch {
		case way == 0:
			given[name] = ears.verdict(t, n, m)
		case name == "dblreq":
			given[name] = "not sent" // it is about what follows in a datagram
		default:
			given[name] = streamVerdict(t, n, peer, m, way == 2)
		}
		if !n.alive() {
			t.Errorf("the switch has died of %s over %s", name, ways[way])
			return given
		}
	}
	// What the messages left behind is gone with their transactions; far less than a
	// leak of the messages would leave.
	if after := n.memory(t); after > before+64<<20 {
		t.Errorf("%d MB before the messages over %s, %d MB after", before>>20, ways[way], after>>20)
	}
	if log := n.stderr.String(); strings.Contains(log, "panic") {
		t.Errorf("something panicked:\n%s", log)
	}
	return given
}

// memory is what the switch has in use, in bytes.
func (n *node) memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// ears hear what comes to any of the ports that the messages' Vias name.
type ears struct {
	mouth *net.UDPConn
	heard chan string
}

var viaPort = regexp.MustCompile(`(?i)(?:via|v)\s*:[^\r\n]*?[\w\]]:(\d{4,5})`)

func listen(t *testing.T, peer string, messages map[string][]byte) *ears {
	ports := []int{5060}
	for _, m := range messages {
		for _, found := range viaPort.FindAllSubmatch(m, -1) {
			if port, err := strconv.Atoi(string(found[1])); err == nil && !slices.Contains(ports, port) && port < 65536 {
				ports = append(ports, port)
			}
		}
	}
	e := &ears{heard: make(chan string, 1000)}
	for _, port := range ports {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(peer), Port: port})
		if err != nil {
			t.Error(err)
			return e
		}
		t.Cleanup(func() { conn.Close() })
		if e.mouth == nil {
			e.mouth = conn
		}
		go func() {
			buf := make([]byte, 65536)
			for {
				n, _, err := conn.ReadFromUDP(buf)
				if err != nil {
					return
				}
				e.heard <- string(buf[:n])
			}
		}()
	}
	return e
}

// answerWithin is how long an answer may take to come.
const answerWithin = 700 * time.Millisecond

func (e *ears) verdict(t *testing.T, n *node, message []byte) string {
	for len(e.heard) > 0 {
		<-e.heard // what was sent again
	}
	to := &net.UDPAddr{IP: net.ParseIP(n.net.ip(1)), Port: n.net.port()}
	if _, err := e.mouth.WriteToUDP(message, to); err != nil {
		t.Error(err)
	}
	late := time.After(answerWithin)
	for {
		select {
		case m := <-e.heard:
			if code := final(m); code != "" && concerns(m, message) {
				return code
			}
		case <-late:
			return "none"
		}
	}
}

var statusLine = regexp.MustCompile(`^SIP/2\.0 ([2-6]\d\d) `)

// final is the code of a final answer.
func final(m string) string {
	if found := statusLine.FindStringSubmatch(m); found != nil {
		return found[1]
	}
	return ""
}

var callID = regexp.MustCompile(`(?im)^(?:call-id|i)[ \t]*:[ \t\r\n]*([^\r\n]*\S)`)

// concerns tells an answer to a message from one to another that came again.
func concerns(answer string, message []byte) bool {
	asked, heard := callID.FindSubmatch(message), callID.FindStringSubmatch(answer)
	if asked == nil || heard == nil {
		return asked == nil && heard == nil
	}
	return string(asked[1]) == heard[1]
}

func streamVerdict(t *testing.T, n *node, peer string, message []byte, slowly bool) string {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}}
	conn, err := d.Dial("tcp", n.net.addr(1))
	if err != nil {
		t.Error(err)
		return "no connection"
	}
	defer conn.Close()
	go func() {
		step := len(message)
		if slowly {
			step = 1
		}
		for piece := range slices.Chunk(message, step) {
			if _, err := conn.Write(piece); err != nil {
				return // closed by the switch: its answer has been read
			}
		}
	}()
	if err := conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		t.Error(err)
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); { // until the deadline or the end
		if code := final(lines.Text()); code != "" {
			return code
		}
	}
	return "none"
}

// ipv6Torture are the messages of RFC 5118.
func ipv6Torture(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/rfc5118/*.txt")
	if err != nil || len(files) != 11 {
		t.Fatalf("%d messages of RFC 5118: %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".txt")] = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	return all
}

// readVerdicts reads the table's rows: message, section, what it is, what the RFC
// wants, what is answered three ways.
func readVerdicts(t *testing.T, text string) map[string]*verdict {
	t.Helper()
	rows := map[string]*verdict{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 9 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		v := &verdict{message: strings.Trim(cells[1], " `")}
		for w := range strings.SplitSeq(cells[4], ",") {
			v.wanted = append(v.wanted, strings.TrimSpace(w))
		}
		for way := range ways {
			v.given[way] = strings.TrimSpace(cells[5+way])
		}
		rows[v.message] = v
	}
	return rows
}

func writeVerdicts(text string, rows map[string]*verdict) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) == 9 && strings.HasPrefix(cells[1], " `") {
			v := rows[strings.Trim(cells[1], " `")]
			for way := range ways {
				cells[5+way] = " " + v.given[way] + " "
			}
			line = strings.Join(cells, "|") + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}
