package main_test

import (
	wirebytes "encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const evidenceRules = `
evidence_rules:
  - {id: all, priority: 9, recording: on, capture: full}
  - {id: quiet, priority: 1, originators: [quiet], recording: off, capture: off}
`

// TestEvidence drives recordings and captures from outside: which side lies on which
// channel, a pause, a stranger's packets, what tshark finds in the capture; a kill in
// mid-call; a call that a rule leaves out until somebody starts the recording.
func TestEvidence(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	tones := &stage{name: "tones", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	quiet := &stage{name: "quiet", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	killed := &stage{name: "killed", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	stages := []*stage{tones, quiet, killed}
	n.apply(t, world(n, stages)+evidenceRules)
	for _, s := range stages {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	t.Run("stories", func(t *testing.T) {
		t.Run("tones", func(t *testing.T) {
			t.Parallel()
			playTones(t, tones)
		})
		t.Run("by hand", func(t *testing.T) {
			t.Parallel()
			playByHand(t, quiet)
		})
	})
	filterRecorded(t, n)
	playKilledRecording(t, killed, data)
}

// filterRecorded finds the recorded calls, and those that are not, by their CDRs.
func filterRecorded(t *testing.T, n *node) {
	t.Helper()
	count := func(recorded bool) (all, captured int) {
		var out struct {
			Cdrs struct {
				Nodes []struct{ Recorded, Captured bool }
			}
		}
		n.ask(t, &out, `query($r: Boolean!) { cdrs(first: 100, filter: {recorded: $r, answered: true, direction: INGRESS}) { nodes { recorded captured } } }`,
			map[string]any{"r": recorded})
		for _, c := range out.Cdrs.Nodes {
			if c.Recorded != recorded {
				t.Errorf("asked for %v: %+v", recorded, c)
			}
			if all++; c.Captured {
				captured++
			}
		}
		return all, captured
	}
	until(t, "the CDRs tell of two recordings, one of a call that is captured", func() bool {
		all, captured := count(true)
		return all == 2 && captured == 1
	})
	if without, _ := count(false); without != 0 {
		t.Errorf("%d answered calls without a recording", without)
	}
}

// finished are the files below a node's data whose names end so: as many as are
// waited for.
func finished(t *testing.T, data, suffix string, n int) []string {
	t.Helper()
	var found []string
	until(t, fmt.Sprintf("%d files end in %s", n, suffix), func() bool {
		found = nil
		err := filepath.WalkDir(filepath.Join(data, "files"), func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, suffix) {
				found = append(found, path)
			}
			return err
		})
		return err == nil && len(found) == n
	})
	slices.Sort(found)
	return found
}

// wave reads a stereo A-law WAV by its header and gives both channels' signs.
func wave(t *testing.T, path string) (channels [2][]float64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := wirebytes.LittleEndian
	if string(raw[:4]) != "RIFF" || le.Uint16(raw[20:]) != 6 || le.Uint16(raw[22:]) != 2 || le.Uint32(raw[24:]) != 8000 || string(raw[50:54]) != "data" {
		t.Fatalf("%s: %q", path, raw[:58])
	}
	size := int(le.Uint32(raw[54:]))
	if 58+size > len(raw) {
		t.Fatalf("%s has %d bytes and says %d", path, len(raw), size)
	}
	for i, code := range raw[58 : 58+size] {
		v := 0.0
		if code != 0xd5 {
			v = 1
			if code&0x80 == 0 {
				v = -1
			}
		}
		channels[i%2] = append(channels[i%2], v)
	}
	return channels
}

// pureness is how much of a channel's part is of a frequency: 0.8 for a square wave, as
// the phones here send them.
func pureness(samples []float64, hz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/8000)
	var s1, s2, all float64
	for _, v := range samples {
		s1, s2 = v+c*s1-s2, s1
		all += v * v
	}
	n := float64(len(samples))
	if all == 0 {
		return 0
	}
	return 2 * (s1*s1 + s2*s2 - c*s1*s2) / (n * all)
}

// purest is that of the best 400 ms of a part.
func purest(samples []float64, hz float64) (best float64) {
	const window = 3200
	for at := 0; at+window <= len(samples); at += 400 {
		best = max(best, pureness(samples[at:at+window], hz))
	}
	return best
}

const listRunning = `{ liveCalls(first: 50) { nodes { id originatorId recording } } }`

// running finds the stage's running call.
func (s *stage) running(t *testing.T) (id, recording string) {
	t.Helper()
	until(t, "the call is shown", func() bool {
		var live struct {
			LiveCalls struct {
				Nodes []struct{ ID, OriginatorID, Recording string }
			}
		}
		s.ask(t, &live, listRunning, nil)
		for _, c := range live.LiveCalls.Nodes {
			if c.OriginatorID == "originator:"+s.name {
				id, recording = c.ID, c.Recording
			}
		}
		return id != ""
	})
	return id, recording
}

// steers does something to the recording of a call, and gives the refusal, if any.
func (s *stage) steers(t *testing.T, what, id string) (refusal string) {
	t.Helper()
	var answer map[string]struct {
		UserErrors []struct{ Code string }
	}
	s.ask(t, &answer, `mutation($c: ID!) { recording`+what+`(input: {call: $c, reason: "e2e"}) { userErrors { code } } }`, map[string]any{"c": id})
	for _, a := range answer {
		for _, e := range a.UserErrors {
			refusal = e.Code
		}
	}
	return refusal
}

func playTones(t *testing.T, s *stage) {
	k := s.answered(t, "tones")
	id, state := s.running(t)
	if state != "ON" {
		t.Errorf("the recording is %s", state)
	}
	stranger, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(s.net.ip(250))})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	packets := k.say(t, 1200*time.Millisecond, [2]float64{400, 1000})
	for i := range 20 {
		for _, to := range k.relay {
			if _, err := stranger.WriteToUDP(rtpTone(uint16(5000+i), 7, 2500), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refusal := s.steers(t, "Pause", id); refusal != "" {
		t.Error(refusal)
	}
	if _, state := s.running(t); state != "PAUSED" {
		t.Errorf("paused, the recording is %s", state)
	}
	k.say(t, 700*time.Millisecond, [2]float64{2000, 2000})
	k.dial(t, 4, 2)
	digit := k.caller.request("INFO", s, "digits", 2, toTag.FindStringSubmatch(k.accepted)[1])
	k.caller.says(t, s.net, strings.NewReplacer("application/sdp", "application/dtmf-relay", "Content-Length: 0\n", "Content-Length: 24\n").
		Replace(digit)+"Signal=5\nDuration=160\n")
	k.vendor.says(t, s.net, k.vendor.answers(k.vendor.must(t, "INFO"), "200 OK", false))
	if refusal := s.steers(t, "Resume", id); refusal != "" {
		t.Error(refusal)
	}
	packets += k.say(t, 1200*time.Millisecond, [2]float64{400, 1000})
	k.hangUp(t, "bye", 3)
	s.settled(t, s.filter(), 2)
	var heard struct {
		Call struct {
			Legs []struct{ Media struct{ DtmfEvents int } }
		}
	}
	s.ask(t, &heard, `query($id: ID!) { call(id: $id) { legs { media { dtmfEvents } } } }`, map[string]any{"id": id})
	if legs := heard.Call.Legs; len(legs) != 2 || legs[0].Media.DtmfEvents != 2 || legs[1].Media.DtmfEvents != 0 {
		t.Errorf("two keys were pressed: %+v", heard)
	}

	call := strings.TrimPrefix(id, "call:")
	path := finished(t, s.data, call+"-1.wav", 1)[0]
	channels := wave(t, path)
	for side, hz := range []float64{400, 1000} {
		heard := channels[side]
		middle := len(heard) / 2
		if a, b := purest(heard[:middle], hz), purest(heard[middle:], hz); a < 0.7 || b < 0.7 {
			t.Errorf("channel %d has %.2f and %.2f of %.0f Hz", side, a, b, hz)
		}
		for _, other := range []float64{1400 - hz, 2000, 2500} {
			if a := pureness(heard, other); a > 0.02 {
				t.Errorf("channel %d has %.3f of %.0f Hz", side, a, other)
			}
		}
		silent := 0
		for _, v := range heard {
			if v == 0 {
				silent++
			}
		}
		if silent < 8000*6/10 {
			t.Errorf("channel %d is silent for %d samples only, though it was paused", side, silent)
		}
	}
	s.inTshark(t, finished(t, s.data, call+"-1.pcap", 1)[0], k, 2*packets)
}

// inTshark wants a capture to have the signalling of both legs and so many RTP packets.
func (s *stage) inTshark(t *testing.T, path string, k *talk, packets int) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("SKIPPED: tshark is not installed")
	}
	cmd := exec.Command("tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "json",
		"-e", "sip.Call-ID", "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "rtp.ssrc", "-e", "ip.src", "-e", "ip.checksum.status", "-e", "udp.checksum.status")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var list []struct {
		Source struct{ Layers map[string][]string } `json:"_source"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	sip, rtp := map[string]int{}, map[string]int{}
	for _, p := range list {
		l := p.Source.Layers
		if l["ip.checksum.status"][0] != "1" || l["udp.checksum.status"][0] != "1" {
			t.Fatalf("a checksum is wrong: %v", l)
		}
		switch {
		case l["rtp.ssrc"] != nil:
			rtp[l["ip.src"][0]]++
		case l["sip.Call-ID"] != nil:
			what := strings.Join(append(l["sip.Method"], l["sip.Status-Code"]...), "")
			leg := "in"
			if !strings.Contains(l["sip.Call-ID"][0], "@") {
				leg = "out"
			}
			sip[leg+" "+what]++
		default:
			t.Errorf("neither SIP nor RTP: %v", l)
		}
	}
	if rtp[k.caller.ip]+rtp[k.vendor.ip] != packets || len(rtp) != 2 {
		t.Errorf("RTP %v, want %d in all", rtp, packets)
	}
	for _, what := range []string{"INVITE", "180", "200", "ACK", "BYE"} {
		if sip["in "+what] == 0 || sip["out "+what] == 0 {
			t.Errorf("%s is missing: %v", what, sip)
		}
	}
	if sip["in 100"] == 0 || sip["in INFO"]+sip["out INFO"] != 0 {
		t.Errorf("%v", sip)
	}
}

// A call that a rule leaves out is recorded when somebody says so, and only as long.
func playByHand(t *testing.T, s *stage) {
	k := s.answered(t, "hand")
	id, state := s.running(t)
	if state != "NONE" {
		t.Errorf("the recording is %s", state)
	}
	if refusal := s.steers(t, "Pause", id); refusal != "CONFLICT" {
		t.Errorf("a pause of nothing: %q", refusal)
	}
	k.say(t, 300*time.Millisecond, [2]float64{2000, 2000})
	if refusal := s.steers(t, "Start", id); refusal != "" {
		t.Error(refusal)
	}
	k.say(t, time.Second, [2]float64{500, 800})
	if refusal := s.steers(t, "Stop", id); refusal != "" {
		t.Error(refusal)
	}
	if _, state := s.running(t); state != "STOPPED" {
		t.Errorf("stopped, the recording is %s", state)
	}
	k.say(t, 300*time.Millisecond, [2]float64{2000, 2000})
	k.hangUp(t, "bye", 2)
	call := strings.TrimPrefix(id, "call:")
	channels := wave(t, finished(t, s.data, call+"-1.wav", 1)[0])
	for side, hz := range []float64{500, 800} {
		if a, b := purest(channels[side], hz), pureness(channels[side], 2000); a < 0.6 || b > 0.02 {
			t.Errorf("channel %d has %.2f of %.0f Hz and %.2f of 2000 Hz", side, a, hz, b)
		}
	}
	if seconds := len(channels[0]) / 800; seconds < 9 || seconds > 14 {
		t.Errorf("%d tenths of a second are recorded", seconds)
	}
	finished(t, s.data, call+"-1.pcap", 0)
}

// A kill in mid-call leaves a file that can be heard to the last second; the next
// start ends it.
func playKilledRecording(t *testing.T, s *stage, data string) {
	before := len(finished(t, data, "-1.wav", 2))
	k := s.answered(t, "killed")
	k.say(t, 3*time.Second, [2]float64{400, 1000})
	s.kill(t)
	parts, err := filepath.Glob(filepath.Join(data, "part", "*.wav.part"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("%v, %v", parts, err)
	}
	heard := wave(t, parts[0])
	if n := len(heard[0]); n < 8000*3/2 || purest(heard[0], 400) < 0.7 || purest(heard[1], 1000) < 0.7 {
		t.Errorf("of three seconds %d ms can be heard", n/8)
	}
	n := serve(t, s.net, data)
	path := ""
	for _, p := range finished(t, data, "-1.wav", before+1) {
		if strings.HasPrefix(filepath.Base(p), strings.TrimSuffix(filepath.Base(parts[0]), ".wav.part")) {
			path = p
		}
	}
	whole := wave(t, path)
	if len(whole[0]) < max(len(heard[0]), 8000*2) || purest(whole[1], 1000) < 0.7 {
		t.Errorf("after the start %d ms can be heard, before it %d", len(whole[0])/8, len(heard[0])/8)
	}
	n.interrupt(t)
	verify(t, data)
}
