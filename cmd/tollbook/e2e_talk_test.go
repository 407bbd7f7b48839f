package main_test

import (
	wirebytes "encoding/binary"
	"math"
	"net"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// talk is a call of a stage between two phones with media.
type talk struct {
	*stage
	caller, vendor   *socket
	media            [2]*net.UDPConn // of the caller, of the vendor
	relay            [2]*net.UDPAddr // the switch's ends towards them
	invite, accepted string          // what the vendor got, and the caller
	seq              [2]uint16
}

var mediaLine = regexp.MustCompile(`(?m)^m=audio (\d+) `)

// answered places a call and has it answered.
func (s *stage) answered(t *testing.T, branch string) *talk {
	t.Helper()
	k := &talk{stage: s, caller: s.hears(t, s.customerIP()), vendor: s.hears(t, s.vendorIP(0))}
	for i, ip := range []string{s.customerIP(), s.vendorIP(0)} {
		var err error
		if k.media[i], err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip), Port: 40000}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.media[i].Close() })
	}
	k.caller.says(t, s.net, k.caller.request("INVITE", s, branch, 1, ""))
	k.invite = k.vendor.must(t, "INVITE")
	k.vendor.says(t, s.net, k.vendor.answers(k.invite, "180 Ringing", false))
	k.vendor.says(t, s.net, k.vendor.answers(k.invite, "200 OK", true))
	k.accepted = k.caller.must(t, "SIP/2.0 200")
	k.caller.says(t, s.net, k.caller.request("ACK", s, branch+"a", 1, toTag.FindStringSubmatch(k.accepted)[1]))
	k.vendor.must(t, "ACK")
	for i, sdp := range []string{k.accepted, k.invite} {
		port, err := strconv.Atoi(mediaLine.FindStringSubmatch(sdp)[1])
		if err != nil {
			t.Fatal(err)
		}
		k.relay[i] = &net.UDPAddr{IP: net.ParseIP(s.net.ip(1)), Port: port}
	}
	return k
}

// hangUp ends it by the caller.
func (k *talk) hangUp(t *testing.T, branch string, seq int) {
	t.Helper()
	k.caller.says(t, k.net, k.caller.request("BYE", k.stage, branch, seq, toTag.FindStringSubmatch(k.accepted)[1]))
	k.vendor.says(t, k.net, k.vendor.answers(k.vendor.must(t, "BYE"), "200 OK", false))
	k.caller.must(t, "SIP/2.0 200")
}

// say has both sides send their tones, 20 ms a packet, and tells how many each sent.
func (k *talk) say(t *testing.T, during time.Duration, hz [2]float64) (packets int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(during); time.Now().Before(end); packets++ {
		for side := range k.media {
			k.seq[side]++
			if _, err := k.media[side].WriteToUDP(rtpTone(k.seq[side], uint32(7+side), hz[side]), k.relay[side]); err != nil {
				t.Fatal(err)
			}
		}
		<-tick.C
	}
	return packets
}

// dial has the caller press some keys, each three packets of one event, and wants the
// vendor to hear all of them.
func (k *talk) dial(t *testing.T, keys ...byte) {
	t.Helper()
	for _, key := range keys {
		k.seq[0]++
		began := uint32(k.seq[0]) * 160
		for i := range uint16(3) {
			p := rtpTone(k.seq[0], 7, 0)[:16]
			k.seq[0]++
			if p[1] = 101; i == 0 {
				p[1] |= 0x80
			}
			wirebytes.BigEndian.PutUint32(p[4:], began)
			p[12], p[13] = key, 10
			if i == 2 {
				p[13] |= 0x80 // the end
			}
			wirebytes.BigEndian.PutUint16(p[14:], 160*(i+1))
			if _, err := k.media[0].WriteToUDP(p, k.relay[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	buf, want := make([]byte, 2048), 3*len(keys)
	if err := k.media[1].SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for want > 0 {
		n, err := k.media[1].Read(buf)
		if err != nil {
			t.Fatalf("%d packets of keys have not come: %v", want, err)
		}
		if n == 16 && buf[1]&0x7f == 101 {
			want--
		}
	}
}

// rtpTone is 20 ms of a tone in A-law.
func rtpTone(seq uint16, ssrc uint32, hz float64) []byte {
	p := make([]byte, 172)
	p[0], p[1] = 0x80, 8
	wirebytes.BigEndian.PutUint16(p[2:], seq)
	wirebytes.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	wirebytes.BigEndian.PutUint32(p[8:], ssrc)
	for i := range 160 {
		v := math.Sin(2 * math.Pi * hz * float64(int(seq)*160+i) / 8000)
		p[12+i] = 0xd5 ^ 0x60 // segment 6: what matters is the tone, not its loudness
		if v < 0 {
			p[12+i] ^= 0x80
		}
	}
	return p
}
