package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"
)

// message makes a request of lines; those given replace or extend the usual ones.
func message(start string, headers ...string) []byte {
	lines := []string{
		start, "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", "From: <sip:a@192.0.2.1>;tag=1", "To: <sip:b@192.0.2.2>",
		"Call-ID: a@192.0.2.1", "CSeq: 1 " + strings.Fields(start + " ?")[0], "Max-Forwards: 70", "Content-Length: 0",
	}
	for _, h := range headers {
		name, _, _ := strings.Cut(h, ":")
		replaced := false
		for i, l := range lines[1:] {
			if strings.HasPrefix(l, name+":") && !replaced {
				lines[1+i], replaced = h, true
			}
		}
		if !replaced {
			lines = append(lines, h)
		}
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

const pinging = "OPTIONS sip:b@192.0.2.2 SIP/2.0"

func TestLook(t *testing.T) {
	for _, c := range []struct {
		message []byte
		code    int
	}{
		{message(pinging), 0},
		{message("OPTIONS sip:b@[2001:db8::1]:5070;transport=tcp SIP/2.0"), 0},
		{message("OPTIONS tel:+4930123 SIP/2.0"), 0},
		{message("OPTIONS  sip:b@192.0.2.2 SIP/2.0"), 400},
		{message("OPTIONS sip:b@192.0.2.2 SIP/2.0 "), 400},
		{message("OPTIONS <sip:b@192.0.2.2> SIP/2.0"), 400},
		{message("OPTIONS sip:b@192.0.2.2?Subject=x SIP/2.0"), 400},
		{message("OPTIONS sip:2001:db8::1 SIP/2.0"), 400},
		{message("OPTIONS sip:b@192.0.2.2 SIP/7.0"), 505},
		{message("OPTIONS isbn:978 SIP/2.0"), 416},
		{message("NONSENSE sip:b@192.0.2.2 SIP/2.0"), 501},
		{message(pinging, "CSeq: 4294967296 OPTIONS"), 400},
		{message(pinging, "CSeq: 0009\r\n  OPTIONS"), 0},
		{message(pinging, "Content-Length: -1"), 400},
		{message(pinging, "l: 3"), 400},
		{message(pinging, "Max-Forwards: 256"), 400},
		{message(pinging, `To: "b <sip:b@192.0.2.2>`), 400},
		{message(pinging, `To: "b \" <" <sip:b@192.0.2.2>`), 0},
		{message(pinging, "To: < sip:b@192.0.2.2>"), 400},
		{message(pinging, "From: A, B <sip:a@192.0.2.1>;tag=1"), 400},
		{message(pinging, "f: <sip:c@192.0.2.1>"), 400},
		{message(pinging, "Contact: sip:a@192.0.2.1?x=y"), 400},
		{message(pinging, "Contact: A <sip:a@192.0.2.1>, B <sip:b@192.0.2.1>"), 0},
		{message(pinging, "Via: SIP/2.0/UDP 192.0.2.1;;,;"), 400},
	} {
		f := look(c.message)
		code := 0
		if f.wrong != nil {
			code = f.wrong.code
		}
		if code != c.code {
			t.Errorf("%d, want %d, of\n%s", code, c.code, c.message)
		}
		if answer := string(f.answer()); (answer != "") != (code != 0) {
			t.Errorf("%d is answered %q", code, answer)
		} else if code != 0 && (!strings.HasPrefix(answer, fmt.Sprintf("SIP/2.0 %d ", code)) || !strings.Contains(answer, "\r\nCall-ID: a@192.0.2.1\r\n") || !strings.HasSuffix(answer, "\r\n\r\n")) {
			t.Errorf("%d is answered\n%s", code, answer)
		}
	}
	if f := look([]byte("noise\r\n\r\n")); f.wrong == nil || f.answer() != nil {
		t.Errorf("noise: %v, answered %s", f.wrong, f.answer())
	}
	for _, quiet := range []string{"SIP/2.0 200 OK", "ACK sip:b@192.0.2.2 SIP/2.0"} {
		f := look(message(quiet, "Content-Length: -1"))
		if f.wrong != drop || f.answer() != nil {
			t.Errorf("%s: %v", quiet, f.wrong)
		}
	}
}

// What tidy gives is what the stack reads, whatever the white space.
func TestTidy(t *testing.T) {
	untidied := message(pinging, "From:\r\n \"A  B\" \t<sip:a@192.0.2.1> ; tag = 1 ;x\r\n\t=y", "Via: SIP  / 2.0\r\n /UDP 192.0.2.1 ;branch= z9hG4bKa")
	want := message(pinging, "From: \"A  B\" <sip:a@192.0.2.1>;tag=1;x=y", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa")
	if got := tidy(untidied); !bytes.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := tidy(want); &got[0] != &want[0] {
		t.Error("a message in order was copied")
	}
	m, err := sip.ParseMessage(tidy(untidied))
	if err != nil {
		t.Fatal(err)
	}
	if tag, _ := m.(*sip.Request).From().Params.Get("tag"); tag != "1" {
		t.Errorf("tag %q", tag)
	}
}

// However a stream is cut into reads, the same messages come out of it, the wrong
// ones are answered, and who asks for a sign of life gets one.
func TestFrames(t *testing.T) {
	body := func(n int) []byte {
		return append(message(pinging, fmt.Sprintf("Content-Length: %d", n)), bytes.Repeat([]byte("x"), n)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		var in, want bytes.Buffer
		answers, wrong := 0, 0
		for range rapid.IntRange(1, 8).Draw(t, "messages") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				m := body(rapid.IntRange(0, 300).Draw(t, "body"))
				in.Write(m)
				want.Write(m)
			case 1:
				in.Write(message("NONSENSE sip:b@192.0.2.2 SIP/2.0"))
				answers++
				wrong++
			case 2:
				in.WriteString("\r\n\r\n")
				answers++
			case 3:
				in.Write(message(pinging, "To:   <sip:b@192.0.2.2> ;\r\n tag=2"))
				want.Write(message(pinging, "To: <sip:b@192.0.2.2>;tag=2"))
			}
		}
		f := &frames{
			from:   &pieces{t: t, left: in.Bytes()},
			answer: func([]byte) error { answers--; return nil }, malformed: func() { wrong-- },
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want.Bytes()) || answers != 0 || wrong != 0 {
			t.Fatalf("%v, %d answers missing; of\n%s\ncame\n%s", err, answers, in.Bytes(), got)
		}
	})
}

// pieces gives bytes in reads of any length.
type pieces struct {
	t    *rapid.T
	left []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(len(p.left), rapid.IntRange(1, 700).Draw(p.t, "read"))])
	p.left = p.left[n:]
	return n, nil
}

// A stream that cannot be cut ends; what it holds is bounded.
func TestFramesEnd(t *testing.T) {
	for name, in := range map[string]string{
		"no length":   strings.ReplaceAll(string(message(pinging)), "Content-Length: 0\r\n", ""),
		"no end":      strings.Repeat("x", maxHead+2),
		"a long body": string(message(pinging, "Content-Length: 100000")),
	} {
		f := &frames{from: strings.NewReader(in), answer: func([]byte) error { return nil }, malformed: func() {}}
		if _, err := f.Read(make([]byte, 100)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLook(f *testing.F) {
	f.Add(message(pinging))
	f.Add(message(pinging, "From:\r\n \"A;\\\" B\" \t<sip:a@192.0.2.1> ; tag = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := look(data)
		m.answer()
		if out := tidy(bytes.Clone(data)); len(out) > len(data)+64 {
			t.Errorf("%d bytes became %d", len(data), len(out))
		}
	})
}

// FuzzFrames cuts streams of any content: the same messages come out however the
// bytes arrive, and what waits is bounded.
func FuzzFrames(f *testing.F) {
	f.Add(append(message(pinging), message(pinging, "Content-Length: 0")...), byte(7))
	f.Add([]byte("\r\n\r\n\r\n"+string(message(pinging))), byte(1))
	cut := func(t *testing.T, in io.Reader) (out []byte, answers, malformed int) {
		fr := &frames{from: in, answer: func([]byte) error { answers++; return nil }, malformed: func() { malformed++ }}
		room := make([]byte, 700)
		for {
			n, err := fr.Read(room)
			out = append(out, room[:n]...)
			if cap(fr.buf) > 4*(maxHead+maxBody) {
				t.Fatalf("%d bytes wait", cap(fr.buf))
			}
			if err != nil {
				return out, answers, malformed
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size byte) {
		whole, answers, malformed := cut(t, bytes.NewReader(data))
		pieced, a, m := cut(t, &slow{data, int(size) + 1})
		if !bytes.Equal(whole, pieced) || answers != a || malformed != m {
			t.Fatalf("%d answers, %d malformed, %q\nin pieces of %d: %d, %d, %q", answers, malformed, whole, int(size)+1, a, m, pieced)
		}
	})
}

// slow gives bytes in reads of one length.
type slow struct {
	left []byte
	size int
}

func (s *slow) Read(b []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.left[:min(len(s.left), s.size)])
	s.left = s.left[n:]
	return n, nil
}
