package relay

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/tollbook/tollbook/media/srtp"
)

// secret is a phone that encrypts: what it says and what it hears.
type secret struct {
	*phone
	crypto Crypto // as the switch has it
	to     *srtp.Sender
	from   *srtp.Receiver
}

func newSecret(t *testing.T, suite srtp.Suite) *secret {
	s := &secret{phone: newPhone(t)}
	s.rekey(suite)
	return s
}

func (s *secret) rekey(suite srtp.Suite) {
	s.t.Helper()
	var err error
	for _, k := range []*srtp.Key{&s.crypto.Send, &s.crypto.Receive} {
		if *k, err = srtp.NewKey(suite, rand.Reader); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.to, err = srtp.NewSender(s.crypto.Receive, rand.Reader); err != nil {
		s.t.Fatal(err)
	}
	if s.from, err = srtp.NewReceiver(s.crypto.Send, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *secret) remote() Remote {
	r := s.phone.remote()
	crypto := s.crypto
	r.Crypto = &crypto
	return r
}

// whisper is the phone's next packet, and as it goes over the wire.
func (s *secret) whisper() (plain, sealed []byte) {
	s.t.Helper()
	plain = s.packet(8)
	sealed, err := s.to.RTP(plain)
	if err != nil {
		s.t.Fatal(err)
	}
	return plain, bytes.Clone(sealed)
}

func (s *secret) decipher(packet []byte) []byte {
	s.t.Helper()
	plain, err := s.from.RTP(packet)
	if err != nil {
		s.t.Fatal(err)
	}
	return plain
}

func set(t *testing.T, c *Call, side Side, r Remote) {
	t.Helper()
	if err := c.SetRemote(side, r); err != nil {
		t.Fatal(err)
	}
}

func TestEncryptedToPlainAndBack(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newSecret(t, srtp.AES128CM80), newPhone(t)
		c := newCall(t, e, nil, b)
		set(t, c, A, a.remote())
		for range 3 {
			plain, sealed := a.whisper()
			a.send(a.media, sealed, c.Local(A))
			if got, _ := b.hear(b.media); !bytes.Equal(got, plain) {
				t.Fatalf("%x", got)
			}
			said := b.packet(8)
			b.send(b.media, said, c.Local(B))
			got, _ := a.hear(a.media)
			if bytes.Equal(got, said) || !bytes.Equal(a.decipher(got), said) {
				t.Fatalf("%x", got)
			}
		}
		report := receiverReportOf(9)
		sealed, err := a.to.RTCP(report)
		if err != nil {
			t.Fatal(err)
		}
		a.send(a.ctrl, sealed, above(c.Local(A)))
		if got, _ := b.hear(b.ctrl); !bytes.Equal(got, report) {
			t.Errorf("%x", got)
		}
		b.send(b.ctrl, senderReportOf(9), above(c.Local(B)))
		got, _ := a.hear(a.ctrl)
		if got, err = a.from.RTCP(got); err != nil || !bytes.Equal(got, senderReportOf(9)) {
			t.Errorf("%x, %v", got, err)
		}
		if s := c.Stats(A); s.Packets != 3 || s.SentPackets != 3 || s.Bytes != 3*172 || s.Dropped.Total() != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestEncryptedToEncryptedWithOtherKeys(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newSecret(t, srtp.AES128GCM), newSecret(t, srtp.AES256CM32)
		c := newCall(t, e, nil, nil)
		set(t, c, A, a.remote())
		set(t, c, B, b.remote())
		say := func() {
			t.Helper()
			plain, sealed := a.whisper()
			a.send(a.media, sealed, c.Local(A))
			if got, _ := b.hear(b.media); !bytes.Equal(b.decipher(got), plain) {
				t.Fatalf("%x", got)
			}
		}
		say()
		set(t, c, A, a.remote()) // a refresh: the counters go on
		set(t, c, B, b.remote())
		say()
		a.rekey(srtp.AES128CM80) // and a change of keys in mid-call
		set(t, c, A, a.remote())
		say()
		if s := c.Stats(A); s.Packets != 3 || s.Dropped.Total() != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What is not the far end's own is dropped and counted, and teaches no address.
func TestForgedAndReplayed(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b, thief := newSecret(t, srtp.AES128CM80), newPhone(t), newPhone(t)
		c := newCall(t, e, nil, b)
		pending := a.remote()
		pending.Crypto, pending.Latch = &Crypto{}, true
		set(t, c, A, pending)
		_, early := a.whisper()
		a.send(a.media, early, c.Local(A)) // no keys yet
		b.say(c.Local(B))                  // nothing goes out in the clear meanwhile
		eventually(t, "drops", func() bool { return c.Stats(A).Dropped[DropAuth] == 1 && c.Stats(B).Dropped[DropAuth] == 1 })
		agreed := a.remote()
		agreed.Latch = true
		set(t, c, A, agreed)
		thief.say(c.Local(A)) // well-formed and of a negotiated type, but not encrypted
		eventually(t, "drop", func() bool { return c.Stats(A).Dropped[DropAuth] == 2 })
		plain, sealed := a.whisper()
		a.send(a.media, sealed, c.Local(A))
		if got, _ := b.hear(b.media); !bytes.Equal(got, plain) {
			t.Fatalf("%x", got)
		}
		a.send(a.media, sealed, c.Local(A))
		eventually(t, "replay", func() bool { return c.Stats(A).Dropped[DropReplay] == 1 })
		thief.send(thief.media, sealed, c.Local(A))
		eventually(t, "source", func() bool { return c.Stats(A).Dropped[DropSource] == 1 })
		if s := c.Stats(A); s.Packets != 1 || s.Duplicates != 1 || s.Lost != 0 {
			t.Errorf("%+v", s)
		}
		b.say(c.Local(B))
		got, _ := a.hear(a.media)
		a.decipher(got)
	})
}
