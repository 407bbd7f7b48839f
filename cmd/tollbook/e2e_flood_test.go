package main_test

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// TestFlood has many strangers send many INVITEs: there is no CDR of them, a few
// answers, one summary of a source and a minute, of a bounded number of sources, and
// memory stays where it was.
func TestFlood(t *testing.T) {
	t.Parallel()
	const (
		blocks, hosts, each = 5, 240, 10
		// The gate's bounds of a minute: sources told apart, answers to one and to all.
		mostSources, mostAnswers, mostAll = 1000, 5, 3000
	)
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	before := n.memory(t)
	var socks []*net.UDPConn
	to := &net.UDPAddr{IP: net.ParseIP(n.net.ip(1)), Port: n.net.port()}
	for block := range blocks {
		for host := range hosts {
			from := net.IPv4(127, byte(n.net.second), byte(250-block), byte(host+1))
			c, err := net.DialUDP("udp4", &net.UDPAddr{IP: from}, to)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			socks = append(socks, c)
		}
	}
	begun := time.Now()
	for i := range each {
		for s, c := range socks {
			at := c.LocalAddr()
			_, err := fmt.Fprintf(c, "INVITE sip:4420%d@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d-%d\r\nFrom: <sip:x@%s>;tag=%d\r\nTo: <sip:4420@%s>\r\n"+
				"Call-ID: %d-%d\r\nCSeq: 1 INVITE\r\nContact: <sip:x@%s>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", i, to, at, s, i, at, i, to, s, i, at)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	answers, most := 0, 0
	for _, c := range socks {
		mine := heard(t, c)
		answers, most = answers+mine, max(most, mine)
	}
	minutes := 1
	for at := begun.Truncate(time.Minute).Add(time.Minute); at.Before(time.Now()); at = at.Add(time.Minute) {
		minutes++
	}
	if answers == 0 || answers > minutes*mostAll || most > minutes*mostAnswers {
		t.Errorf("%d answers, %d to one source, in %d minutes", answers, most, minutes)
	}
	if grown := n.memory(t) - before; grown > 64<<20 {
		t.Errorf("the flood left %d MB", grown>>20)
	}
	n.interrupt(t)

	n = serve(t, n.net, data)
	if all := n.cdrs(t, nil); len(all) != 0 {
		t.Errorf("strangers have CDRs: %+v", all)
	}
	counted, summaries := 0, map[string]int{}
	until(t, "all summaries are there", func() bool {
		was := counted
		counted, summaries = n.rejected(t)
		return counted > 0 && counted == was
	})
	for address, times := range summaries {
		if times > minutes {
			t.Errorf("%s has %d summaries of %d minutes", address, times, minutes)
		}
	}
	if n := len(summaries); n > minutes*mostSources+1 { // one of them is for all others
		t.Errorf("%d sources in %d minutes", n, minutes)
	}
	if counted > blocks*hosts*each || counted < blocks*hosts {
		t.Errorf("%d of %d messages are in the summaries", counted, blocks*hosts*each)
	}
	n.interrupt(t)
	verify(t, data)
}

// heard counts the datagrams that wait at a socket.
func heard(t *testing.T, c *net.UDPConn) (n int) {
	t.Helper()
	buf := make([]byte, 2000)
	for {
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			return n
		}
		n++
	}
}

// rejected sums up what the audit says of strangers: the messages, and how many
// summaries there are by address.
func (n *node) rejected(t *testing.T) (messages int, summaries map[string]int) {
	t.Helper()
	summaries = map[string]int{}
	var after any
	for {
		var page struct {
			Audit struct {
				Nodes []struct {
					Address string
					Count   int
				}
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		n.ask(t, &page, `query ($after: Cursor) { audit(first: 500, after: $after, kind: SOURCE_REJECTED) {
			nodes { address count } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": after})
		for _, a := range page.Audit.Nodes {
			messages += a.Count
			summaries[a.Address]++
		}
		if !page.Audit.PageInfo.HasNextPage {
			return messages, summaries
		}
		after = page.Audit.PageInfo.EndCursor
	}
}
