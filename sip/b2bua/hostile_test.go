package b2bua

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func description(media ...string) string {
	return "v=0\r\no=- 1 1 IN IP4 198.18.0.1\r\ns=-\r\nc=IN IP4 198.18.0.1\r\nt=0 0\r\n" + strings.Join(media, "\r\n") + "\r\n"
}

// TestOddDescriptions plays calls whose descriptions are broken, or merely odd. Each is
// counted and logged once, and no vendor's nonsense costs the caller his call.
func TestOddDescriptions(t *testing.T) {
	engine := media(t)
	audio := "m=audio 40000 RTP/AVP 8"
	long := description(append([]string{audio}, strings.Split(strings.Repeat("a=x ", 1000), " ")...)...)
	nine := description(slices.Repeat([]string{audio}, 9)...)
	for _, c := range []struct {
		name           string
		caller, vendor string
		codes          []int
		bad            uint64
		video          string // what the other streams of an offer become
	}{
		{name: "a thousand lines", caller: long, codes: []int{400}, bad: 1},
		{name: "nine streams", caller: nine, codes: []int{400}, bad: 1},
		{name: "no description at all", caller: "hello", codes: []int{400}, bad: 1},
		{name: "port 0", caller: description("m=audio 0 RTP/AVP 8"), codes: []int{488}},
		{name: "no audio", caller: description("m=video 40000 RTP/AVP 31"), codes: []int{488}},
		{name: "another family", caller: strings.ReplaceAll(description(audio), "IP4 198.18.0.1", "IP6 2001:db8::9"), codes: []int{488}},
		{name: "a private address", caller: strings.ReplaceAll(description(audio), "198.18.0.1", "10.0.0.1"), codes: []int{200, 200}},
		{name: "a name", caller: strings.ReplaceAll(description(audio), "c=IN IP4 198.18.0.1", "c=IN IP4 media.example"), codes: []int{200, 200}},
		{name: "audio and video", caller: description("m=video 40002 RTP/AVP 31", audio), codes: []int{200, 200}, video: "m=video 0 RTP/AVP 31"},
		{name: "a vendor's thousand lines", vendor: long, codes: []int{200, 488, 200}, bad: 1},
		{name: "a vendor's port 0", vendor: description("m=audio 0 RTP/AVP 8"), codes: []int{200, 488, 200}, bad: 1},
		{name: "a vendor's noise", vendor: "\x00\x01\x02", codes: []int{200, 488, 200}, bad: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan{sdp: c.caller, vendorSDP: c.vendor, talk: 2 * time.Second, vendors: [2]vendorPlan{answers(), answers()}}
			play(t, engine, 7, faults{}, &p, func(r *rig) {
				ends := r.diary.ends()
				var codes []int
				for leg := range uint32(len(ends)) {
					codes = append(codes, int(ends[leg][0].SipCode))
				}
				if !slices.Equal(codes, c.codes) {
					t.Errorf("the legs end with %v, want %v", codes, c.codes)
				}
				logged := strings.Count(r.logged.String(), "session description cannot be used")
				if got := r.sw.Counts().BadDescriptions; got != c.bad || logged > 1 || c.bad > 0 && logged != 1 {
					t.Errorf("%d counted, %d logged, want %d", got, logged, c.bad)
				}
				if c.video != "" {
					r.passes(t, vendorAddrs[0].String(), c.video, 1)
				}
			})
		})
	}
}

// Whoever knows only half of a dialog cannot end it.
func TestImpostorsBye(t *testing.T) {
	p := plan{talk: 5 * time.Second, changes: []change{{time.Second, "impostor"}}, vendors: vendors(answers())}
	play(t, media(t), 7, faults{}, &p, func(r *rig) {
		if e := r.diary.ends()[0][0]; e.RawMs < 4900 || e.Cause != "answered" {
			t.Errorf("%v", e)
		}
	})
}
