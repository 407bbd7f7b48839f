package sdp

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, media ...string) *Session {
	t.Helper()
	text := "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n" + strings.Join(media, "\n") + "\n"
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSelectFiltersAndOrders(t *testing.T) {
	m := parsed(t, "m=audio 4000 RTP/AVP 18 8 0 101 96", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:96 opus/48000/2").Media[0]
	for _, c := range []struct{ from, to, want string }{
		{"", "", "18 8 0 101 96"},
		{"PCMA,PCMU", "", "8 0 101"},
		{"", "PCMU,pcma", "0 8 101"},
		{"PCMA", "G729,PCMA", "8 101"},
		{"opus", "PCMA", ""},
		{"", "G722", ""},
	} {
		list := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
		got, ok := m.Select(list(c.from), list(c.to))
		if strings.Join(got, " ") != c.want || ok != (c.want != "") {
			t.Errorf("from %q to %q: %v %v, want %q", c.from, c.to, got, ok, c.want)
		}
	}
}

func TestStreamPrefersWhatIsAskedFor(t *testing.T) {
	both := parsed(t, "m=video 5000 RTP/AVP 31", "m=audio 4000 RTP/AVP 8", "m=image 4002 udptl t38")
	for _, c := range []struct {
		s    *Session
		fax  bool
		want int
	}{
		{both, false, 1}, {both, true, 2},
		{parsed(t, "m=audio 0 RTP/AVP 8", "m=image 4002 udptl t38"), false, 1},
		{parsed(t, "m=audio 4000 RTP/AVP 8"), true, 0},
		{parsed(t, "m=video 5000 RTP/AVP 31"), false, -1},
	} {
		if _, got, ok := c.s.Stream(c.fax); got != c.want || ok != (c.want >= 0) {
			t.Errorf("stream %d %v, want %d", got, ok, c.want)
		}
	}
}

// What a far end says of itself beside its addresses goes no further either, and
// what is filtered out leaves no attribute behind.
func TestRewriteTellsNothingOfTheFarEnd(t *testing.T) {
	s, err := Parse([]byte("v=0\no=root 1 1 IN IP4 10.9.8.7\ns=PBX on 10.9.8.7\ni=a note\nu=http://10.9.8.7/\ne=a@b\np=+1\nc=IN IP4 10.9.8.7\nt=0 0\n" +
		"m=audio 4000 RTP/AVP 18 8\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\na=rtpmap:8 PCMA/8000\na=alt:1 10.9.8.7 4000\na=sendrecv\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Rewrite(Outgoing{
		Addr: netip.MustParseAddr("192.0.2.1"), ID: 1, Version: 2, Port: func(int) int { return 6000 },
		Formats: func(int) []string { return []string{"8"} },
	})
	want := "v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 6000 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=sendrecv\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
