package evidence

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/capture"
	"github.com/tollbook/tollbook/media/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	start  = wire.RecordingAction_RECORDING_ACTION_START
	stop   = wire.RecordingAction_RECORDING_ACTION_STOP
	pause  = wire.RecordingAction_RECORDING_ACTION_PAUSE
	resume = wire.RecordingAction_RECORDING_ACTION_RESUME
)

var (
	phoneA, phoneB = netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:4000")
	ours           = netip.MustParseAddrPort("198.51.100.1:5060")
)

// rig is a keeper with an archive of its own.
type rig struct {
	*Keeper
	t      testing.TB
	dir    string
	files  *archive.Store
	closed sync.Once

	mu   sync.Mutex
	made []*wire.FileMade
}

func newRig(t testing.TB, c Config) *rig {
	r := &rig{t: t, dir: t.TempDir()}
	var err error
	r.files, err = archive.Open(archive.Config{Dir: r.dir, Node: "n1", Record: func(_ context.Context, list ...*wire.Event) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range list {
			if f := e.GetFileMade(); f != nil {
				r.made = append(r.made, f)
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Files, c.Log = r.files, slog.New(slog.DiscardHandler)
	r.Keeper = Open(c)
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	r.closed.Do(func() {
		r.Keeper.Close()
		r.files.Close()
	})
}

// files that were made, as "recording 1 PCMU".
func (r *rig) list() (out []string) {
	r.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.made {
		line := fmt.Sprintf("%s %d %s %s", strings.ToLower(strings.TrimPrefix(f.Kind.String(), "FILE_KIND_")), f.Part, f.Codec, f.Reason)
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

func (r *rig) read(kind string) []byte {
	r.t.Helper()
	r.close()
	found, err := filepath.Glob(filepath.Join(r.dir, "files", "n1", "*", "*", "*", "*."+kind))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("%v, %v", found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func callID() events.CallID {
	var random [10]byte
	binary.BigEndian.PutUint64(random[:], rand.Uint64())
	return events.NewCallID(time.Now(), random)
}

// talk gives a call so many packets of 20 ms from both sides, as of now.
func talk(c *Call, from time.Time, packets int, pt uint8) {
	for i := range packets {
		for side, at := range []netip.AddrPort{phoneA, phoneB} {
			p := make([]byte, 172)
			p[0], p[1] = 0x80, pt
			binary.BigEndian.PutUint16(p[2:], uint16(i))
			binary.BigEndian.PutUint32(p[4:], uint32(160*i))
			for k := range 160 {
				p[12+k] = byte(100 + side)
			}
			c.Packet(relay.Side(side), false, p, at, ours, from.Add(time.Duration(i)*20*time.Millisecond))
		}
	}
}

func TestRecordingByHand(t *testing.T) {
	r := newRig(t, Config{})
	c := r.Begin(callID())
	for _, action := range []wire.RecordingAction{stop, resume, pause} {
		if err := c.Steer(action); events.CodeOf(err) != events.CodeConflict {
			t.Errorf("%v before the start: %v", action, err)
		}
	}
	if err := c.Steer(start); err != nil || events.CodeOf(c.Steer(start)) != events.CodeConflict {
		t.Errorf("%v, or a second start is taken", err)
	}
	talk(c, time.Now(), 20, 0)
	for _, action := range []wire.RecordingAction{pause, resume, stop, start} {
		if err := c.Steer(action); err != nil {
			t.Error(action, err)
		}
	}
	talk(c, time.Now(), 20, 8)
	c.End()
	if err := c.Steer(stop); events.CodeOf(err) != events.CodeNotFound {
		t.Errorf("after the end: %v", err)
	}
	if got := fmt.Sprint(r.list()); got != "[recording 1 PCMU recording 2 PCMA]" && got != "[recording 2 PCMA recording 1 PCMU]" {
		t.Error(got)
	}
	if s := r.Stats(); s.Recordings != 2 || s.Lost != 0 || s.Waiting != 0 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// A codec that is not decoded goes on as packets; one that changes goes into a part of
// its own.
func TestCodecsChange(t *testing.T) {
	r := newRig(t, Config{})
	c := r.Begin(callID())
	if err := c.Steer(start); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	talk(c, now, 30, 0)
	time.Sleep(6 * tick) // the format is decided by what came until then
	talk(c, now.Add(700*time.Millisecond), 30, 8)
	time.Sleep(6 * tick)
	talk(c, now.Add(1400*time.Millisecond), 30, 18)
	c.End()
	got := fmt.Sprint(r.list())
	for _, want := range []string{"recording 1 PCMU codec changed", "recording 2 PCM codec kept as packets", "capture 1 pcap codec kept as packets"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func message(method, callID string) []byte {
	return []byte(method + " sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP z\r\ni : " + callID + "\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n")
}

// What came before the decision is in the capture; what is somebody else's is not; a
// pause leaves out media and INFO, also where nothing is recorded.
func TestCapture(t *testing.T) {
	r := newRig(t, Config{Captures: func() bool { return true }})
	now := time.Now()
	const key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
	r.Signal(phoneA, ours, false, append(message("INVITE", "one"), "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key...), now)
	r.Signal(phoneA, ours, false, message("OPTIONS", "other"), now)
	c := r.Begin(callID())
	c.Watch("one")
	time.Sleep(3 * sortEvery)
	c.Capture(levelSIP)
	c.Capture(levelOff) // counts for nothing
	c.Capture(levelFull)
	talk(c, time.Now(), 5, 0)
	if err := c.Steer(pause); err != nil || c.Recording() != Paused {
		t.Error(err, c.Recording())
	}
	r.Signal(phoneA, ours, false, message("INFO", "one"), time.Now())
	talk(c, time.Now(), 7, 0)
	time.Sleep(3 * sortEvery)
	if err := c.Steer(resume); err != nil || c.Recording() != NotRecorded {
		t.Error(err, c.Recording())
	}
	r.Signal(ours, phoneA, false, message("BYE", "one"), time.Now())
	c.End()
	data := string(r.read("pcap"))
	for what, want := range map[string]int{"INVITE sip": 1, "BYE sip": 1, "INFO": 0, "OPTIONS": 0, key: 0, "inline:" + strings.Repeat("*", len(key)): 1, strings.Repeat("d", 160): 5, strings.Repeat("e", 160): 5} {
		if n := strings.Count(data, what); n != want {
			t.Errorf("%.10q is there %d times, want %d", what, n, want)
		}
	}
	if got := fmt.Sprint(r.list()); got != "[capture 1 pcap]" {
		t.Error(got)
	}
}

// A call that no rule wants leaves nothing behind.
func TestNothingIsKept(t *testing.T) {
	r := newRig(t, Config{Captures: func() bool { return true }})
	c := r.Begin(callID())
	c.Watch("one")
	r.Signal(phoneA, ours, false, message("INVITE", "one"), time.Now())
	time.Sleep(3 * sortEvery)
	c.Capture(levelOpen)
	r.Signal(phoneA, ours, false, message("BYE", "one"), time.Now())
	c.End()
	until(t, "it is forgotten", func() bool {
		r.Keeper.mu.Lock()
		defer r.Keeper.mu.Unlock()
		return len(r.byCallID) == 0
	})
	if got := r.list(); len(got) != 0 {
		t.Error(got)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// The queue never grows without bounds: what it does not take is counted and told.
func TestAFullQueueLoses(t *testing.T) {
	r := newRig(t, Config{})
	q := newQueue(1000, &r.queued)
	for range 10 {
		q.put(isMedia, pair{}, make([]byte, 300), time.Now())
	}
	b := q.take()
	if len(b.entries) != 3 || b.lost != 7 || r.queued.Load() != 900 {
		t.Errorf("%d entries, %d lost, %d queued", len(b.entries), b.lost, r.queued.Load())
	}
	q.give(b)
	if r.queued.Load() != 0 {
		t.Error("the bytes stay counted")
	}
}

// The signalling of a call goes to the HOMER server under one name; that of a pause's
// INFO does not.
func TestHEPIsCorrelated(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	hep := capture.NewSender(capture.SenderConfig{Network: "udp", Address: server.LocalAddr().String(), Log: slog.New(slog.DiscardHandler)})
	r := newRig(t, Config{HEP: hep, HEPAll: true})
	if !r.Wants() {
		t.Fatal("nobody listens")
	}
	id := callID()
	c := r.Begin(id)
	c.Watch("one")
	c.Watch("two")
	c.Capture(levelSIP)
	if err := c.Steer(pause); err != nil {
		t.Fatal(err)
	}
	for _, m := range [][]byte{message("INVITE", "one"), message("INFO", "two"), message("BYE", "two"), message("OPTIONS", "stray")} {
		r.Signal(phoneA, ours, true, m, time.Now())
	}
	got := map[string]bool{}
	buf := make([]byte, 65536)
	if err := server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			t.Fatal(err, got)
		}
		for _, method := range []string{"INVITE", "INFO", "BYE", "OPTIONS"} {
			for _, under := range []string{id.String(), "stray"} {
				if text := string(buf[:n]); strings.Contains(text, method+" sip:") && strings.Contains(text, "\x00\x11\x00"+string(rune(6+len(under)))+under) {
					got[method+" "+under] = true
				}
			}
		}
	}
	if len(got) != 3 || !got["INVITE "+id.String()] || !got["BYE "+id.String()] || !got["OPTIONS stray"] {
		t.Errorf("%v", got)
	}
}

func TestCallIDOf(t *testing.T) {
	for text, want := range map[string]string{
		"INVITE x SIP/2.0\r\nCall-ID: a@b \r\n\r\n":                  "a@b",
		"INVITE x SIP/2.0\r\ncontact: c\r\nI:a\r\n\r\n":              "a",
		"SIP/2.0 200 OK\nCALL-id  :  z\n\n":                          "z",
		"INVITE x SIP/2.0\r\nVia: v\r\n\r\nCall-ID: in the body\r\n": "",
		"": "", "\r\n\r\n": "", "x": "",
	} {
		if got := callIDOf([]byte(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
