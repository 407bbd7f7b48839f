package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	four, four2 = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.7:40000")
	six, six2   = netip.MustParseAddrPort("[2001:db8::1]:5061"), netip.MustParseAddrPort("[2001:db8::2]:40001")
	noon        = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
)

const options = "OPTIONS sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1\r\nCall-ID: a@b\r\n" +
	"From: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

// TestDatagramsInTshark has tshark read both families, with all checksums right, also
// of an odd and of the longest payload.
func TestDatagramsInTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("SKIPPED: tshark is not installed")
	}
	long := strings.Replace(options, "\r\n\r\n", "\r\nX-Long: "+strings.Repeat("x", 64000)+"\r\n\r\n", 1)
	b := FileHeader()
	for i, p := range []struct {
		from, to netip.AddrPort
		payload  string
	}{
		{four, four2, options}, {six, six2, options}, {four2, four, long}, {six2, six, options + "y"},
		{four, four2, strings.Repeat("z", 70_000)}, {netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.9"), 9), four, options},
	} {
		b = AppendDatagram(b, noon.Add(time.Duration(i)), p.from, p.to, []byte(p.payload), uint16(i))
	}
	path := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields",
		"-e", "frame.time_epoch", "-e", "ip.src", "-e", "ipv6.src", "-e", "udp.srcport", "-e", "udp.length",
		"-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "sip.Method", "-E", "separator=;").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := `1795348800.123456789;192.0.2.1;;5060;184;1;1;OPTIONS
1795348800.123456790;;2001:db8::1;5061;184;;1;OPTIONS
1795348800.123456791;198.51.100.7;;40000;64194;1;1;OPTIONS
1795348800.123456792;;2001:db8::2;40001;185;;1;OPTIONS
1795348800.123456793;192.0.2.1;;5060;65515;1;1;
1795348800.123456794;192.0.2.9;;9;184;1;1;OPTIONS
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Error(diff)
	}
}

// memory is a file in memory.
type memory struct{ data []byte }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, at)
}
func (m *memory) Size() (int64, error)   { return int64(len(m.data)), nil }
func (m *memory) Truncate(n int64) error { m.data = m.data[:n]; return nil }

// TestRepair cuts a capture at every byte: whole packets stay, and nothing else.
func TestRepair(t *testing.T) {
	ends := []int{fileHeaderSize}
	b := FileHeader()
	for i := range 3 {
		b = AppendDatagram(b, noon, four, four2, bytes.Repeat([]byte{7}, i*10), 1)
		ends = append(ends, len(b))
	}
	for cut := range len(b) + 1 {
		whole := 0
		for _, end := range ends {
			if end <= cut {
				whole = end
			}
		}
		m := &memory{bytes.Clone(b[:cut])}
		err := Repair(m)
		if whole <= fileHeaderSize {
			if !errors.Is(err, ErrEmpty) {
				t.Fatalf("%d bytes: %v", cut, err)
			}
			continue
		}
		if err != nil || len(m.data) != whole {
			t.Fatalf("%d bytes: %d are left, want %d: %v", cut, len(m.data), whole, err)
		}
	}
	if err := Repair(&memory{make([]byte, 100)}); !errors.Is(err, errForeign) {
		t.Error(err)
	}
}

// parseHEP reads HEP3 by the protocol's text alone: chunks by vendor and type.
func parseHEP(t *testing.T, b []byte) map[uint16][]byte {
	t.Helper()
	if len(b) < 6 || string(b[:4]) != "HEP3" || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		t.Fatalf("no HEP3 of %d bytes: %q", len(b), b[:min(6, len(b))])
	}
	out := map[uint16][]byte{}
	for b = b[6:]; len(b) > 0; {
		size := int(binary.BigEndian.Uint16(b[4:]))
		if binary.BigEndian.Uint16(b) != 0 || size < 6 || size > len(b) {
			t.Fatalf("a chunk of vendor %d and %d bytes", binary.BigEndian.Uint16(b), size)
		}
		out[binary.BigEndian.Uint16(b[2:])] = b[6:size]
		b = b[size:]
	}
	return out
}

func TestHEP(t *testing.T) {
	b, ok := AppendHEP(nil, HEP{
		From: four, To: four2, At: noon, Kind: HEPSip, Agent: 2001, Key: "secret", Payload: []byte(options), Correlation: "call",
	})
	if !ok {
		t.Fatal("refused")
	}
	want := map[uint16][]byte{
		1: {2}, 2: {17}, 3: {192, 0, 2, 1}, 4: {198, 51, 100, 7}, 7: {0x13, 0xc4}, 8: {0x9c, 0x40},
		9: binary.BigEndian.AppendUint32(nil, 1795348800), 10: binary.BigEndian.AppendUint32(nil, 123456), 11: {1},
		12: {0, 0, 7, 0xd1}, 14: []byte("secret"), 15: []byte(options), 17: []byte("call"),
	}
	if diff := cmp.Diff(want, parseHEP(t, b)); diff != "" {
		t.Error(diff)
	}
	b, _ = AppendHEP(b[:0], HEP{From: six, To: six2, Stream: true, At: noon, Kind: HEPRtcp, Payload: []byte("{}")})
	got := parseHEP(t, b)
	if got[1][0] != 10 || got[2][0] != 6 || len(got[5]) != 16 || len(got[6]) != 16 || got[3] != nil || got[14] != nil || got[17] != nil || got[11][0] != 5 {
		t.Errorf("%v", got)
	}
	if rest, ok := AppendHEP([]byte{1}, HEP{From: four, To: four2, Payload: make([]byte, 65_400)}); ok || len(rest) != 1 {
		t.Error("a packet that the length cannot tell was made")
	}
}

// TestSender: a server that is there gets all, over UDP and TCP; one that is not makes
// nobody wait.
func TestSender(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	s := NewSender(SenderConfig{Network: "udp", Address: udp.LocalAddr().String(), Agent: 7, Key: "k", Log: quiet})
	defer s.Close()
	s.Send(HEP{From: four, To: four2, At: noon, Kind: HEPSip, Payload: []byte(options)})
	buf := make([]byte, 65536)
	if err := udp.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := udp.ReadFrom(buf)
	if err != nil || string(parseHEP(t, buf[:n])[15]) != options || string(parseHEP(t, buf[:n])[14]) != "k" {
		t.Fatal(err)
	}

	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	over := NewSender(SenderConfig{Network: "tcp", Address: tcp.Addr().String(), Log: quiet})
	defer over.Close()
	for range 3 {
		over.Send(HEP{From: four, To: four2, At: noon, Kind: HEPSip, Payload: []byte(options)})
	}
	conn, err := tcp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		head := make([]byte, 6)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		whole := make([]byte, binary.BigEndian.Uint16(head[4:]))
		copy(whole, head)
		if _, err := io.ReadFull(conn, whole[6:]); err != nil {
			t.Fatal(err)
		}
		if string(parseHEP(t, whole)[15]) != options {
			t.Fatal("another payload")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); over.Sent() != 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sent", over.Sent())
		}
	}

	tcp.Close()
	gone := NewSender(SenderConfig{Network: "tcp", Address: tcp.Addr().String(), Log: quiet})
	for range sendQueue + 5000 {
		gone.Send(HEP{From: four, To: four2, At: noon, Kind: HEPSip, Payload: []byte("x")})
	}
	for deadline := time.Now().Add(10 * time.Second); gone.Dropped() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is dropped")
		}
	}
	gone.Close()
	if gone.Sent() != 0 {
		t.Error("a server that is not there got something")
	}
}

func TestReportJSON(t *testing.T) {
	p := make([]byte, 28+24)
	p[0], p[1] = 0x81, senderReport
	binary.BigEndian.PutUint16(p[2:], 12)
	for i := 4; i < len(p); i++ {
		p[i] = byte(i)
	}
	p[32], p[33], p[34], p[35] = 64, 0xff, 0xff, 0xfe // a quarter, and two came twice
	text, ok := ReportJSON(p)
	want := `{"sender_information":{"ntp_timestamp_sec":134810123,"ntp_timestamp_usec":202182159,"rtp_timestamp":269554195,` +
		`"packets":336926231,"octets":404298267},"ssrc":67438087,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":471670303,` +
		`"fraction_lost":64,"packets_lost":-2,"highest_seq_no":606414375,"ia_jitter":673786411,"lsr":741158447,"dlsr":808530483}]}`
	if !ok || string(text) != want {
		t.Errorf("%s", text)
	}
	bye := append([]byte{0x81, 203, 0, 1, 0, 0, 0, 7}, 0x80, receiverReport, 0, 1, 0, 0, 0, 9)
	if text, ok := ReportJSON(bye); !ok || string(text) != `{"ssrc":9,"type":201,"report_count":0,"report_blocks":[]}` {
		t.Errorf("%s", text)
	}
	for _, noise := range [][]byte{nil, {1, 2, 3}, p[:20], bye[:8], {0x80, 200, 0, 1, 1, 2, 3, 4}} {
		if text, ok := ReportJSON(noise); ok {
			t.Errorf("%v gives %s", noise, text)
		}
	}
}
