package interconnect

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// header names the columns of a CSV sheet.
var header = []string{"what", "node", "name", "address", "transport", "port_from", "port_to"}

// CSV is the sheet as a table: a line for each address and transport, one for the
// domain, and one for each codec.
func (s Sheet) CSV() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{header}
	if s.Zone != "" {
		rows = append(rows, []string{"domain", "", "", s.Zone, "", "", ""})
	}
	for _, d := range s.Signalling {
		rows = append(rows, []string{"signalling", d.Node, d.Listener, d.Address, d.Transport, number(d.Port), number(d.Port)})
	}
	for _, m := range s.Media {
		rows = append(rows, []string{"media", m.Node, "", m.Address, "udp", number(m.From), number(m.To)})
	}
	for _, c := range s.Codecs {
		rows = append(rows, []string{"codec", "", c, "", "", "", ""})
	}
	_ = w.WriteAll(rows) // a Builder takes all
	return b.String()
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// YAML is the sheet for people and programs.
func (s Sheet) YAML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "peer: %q\ncompany: %q\n", s.Peer, s.Company)
	if s.Zone != "" {
		fmt.Fprintf(&b, "domain: %q\n", s.Zone)
	}
	b.WriteString("signalling:\n")
	for _, d := range s.Signalling {
		fmt.Fprintf(&b, "  - {node: %q, name: %q, address: %q, transport: %s, port: %d}\n", d.Node, d.Listener, d.Address, d.Transport, d.Port)
	}
	b.WriteString("media:\n")
	for _, m := range s.Media {
		fmt.Fprintf(&b, "  - {node: %q, address: %q, from: %d, to: %d}\n", m.Node, m.Address, m.From, m.To)
	}
	if len(s.Codecs) > 0 {
		b.WriteString("codecs:\n")
		for _, c := range s.Codecs {
			fmt.Fprintf(&b, "  - %q\n", c)
		}
	}
	return b.String()
}

// lines are the sheet as text in columns.
func (s Sheet) lines() []string {
	out := []string{"Interconnect sheet", "", "for " + s.Peer.String() + " of " + s.Company, ""}
	if s.Zone != "" {
		out = append(out, "Domain for DNS (NAPTR, SRV):  "+s.Zone, "")
	}
	out = append(out, "Signalling: send calls to, and let in", "")
	for _, d := range s.Signalling {
		node := d.Node
		if node == "" {
			node = "shared"
		}
		out = append(out, fmt.Sprintf("  %-16.32s %-16.32s %-4s %s port %d", node, d.Listener, d.Transport, d.Address, d.Port))
	}
	out = append(out, "", "Media: let in", "")
	for _, m := range s.Media {
		out = append(out, fmt.Sprintf("  %-16.32s %s ports %d-%d (UDP)", m.Node, m.Address, m.From, m.To))
	}
	codecs := "those that the other side offers"
	if len(s.Codecs) > 0 {
		codecs = strings.Join(s.Codecs, ", ")
	}
	return append(out, "", "Codecs: "+codecs)
}
