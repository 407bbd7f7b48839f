package traffic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/tollbook/tollbook/media/sdp"
)

// stream is one end of a call's audio: G.711 from one socket, both ways.
type stream struct {
	addr   netip.AddrPort
	conn   *net.UDPConn
	remote atomic.Pointer[netip.AddrPort]
	codec  atomic.Uint32 // payload type: 0 is PCMU, 8 is PCMA
	paused atomic.Bool   // the far side put us on hold
	silent bool

	started        sync.Once
	running        sync.WaitGroup
	stopped        chan struct{}
	sent, received atomic.Uint64
}

func newStream(addr netip.Addr, silent bool) (*stream, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return nil, fmt.Errorf("traffic: media socket: %w", err)
	}
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	s := &stream{addr: netip.AddrPortFrom(addr, bound.Port()), conn: conn, silent: silent, stopped: make(chan struct{})}
	s.running.Go(s.receive)
	return s, nil
}

// errNoAudio is a description without G.711 or without an address.
var errNoAudio = errors.New("no G.711 audio with an address")

// follow takes address and codec from the far side's description.
func (s *stream) follow(body []byte) error {
	session, err := sdp.Parse(body)
	if err != nil {
		return err
	}
	audio, _, ok := session.Audio()
	if !ok || !audio.Address.IsValid() {
		return errNoAudio
	}
	for _, f := range audio.Formats {
		if f.PayloadType == 0 || f.PayloadType == 8 {
			s.codec.Store(uint32(f.PayloadType))
			s.remote.Store(&audio.Address)
			s.paused.Store(audio.OnHold())
			return nil
		}
	}
	return errNoAudio
}

// talk starts to send, once there is somewhere to send to.
func (s *stream) talk() {
	if s.remote.Load() != nil && !s.silent {
		s.started.Do(func() { s.running.Go(s.send) })
	}
}

// describe is our side: an offer with both codecs, or an answer with the one
// that was chosen.
func (s *stream) describe(answer bool) []byte {
	family, formats := "IP4", "8 0"
	if s.addr.Addr().Is6() {
		family = "IP6"
	}
	if answer {
		formats = fmt.Sprint(s.codec.Load())
	}
	return fmt.Appendf(nil, "v=0\r\no=- %d 1 IN %s %s\r\ns=-\r\nc=IN %[2]s %[3]s\r\nt=0 0\r\n"+
		"m=audio %[4]d RTP/AVP %[5]s 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
		s.addr.Port(), family, s.addr.Addr(), s.addr.Port(), formats)
}

// tone is 8 samples of 1 kHz at 0 dBm0, the digital milliwatt of ITU-T G.711,
// filled up to one packet.
func tone(codec uint8) []byte {
	wave := [8]byte{0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e}
	if codec == 8 {
		wave = [8]byte{0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4}
	}
	payload := make([]byte, 8*packetTime/time.Millisecond)
	for i := range payload {
		payload[i] = wave[i%len(wave)]
	}
	return payload
}

// send runs until stop.
func (s *stream) send() {
	ticker := time.NewTicker(packetTime)
	defer ticker.Stop()
	packet := rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32(), Marker: true},
		Payload: tone(uint8(s.codec.Load())),
	}
	buffer := make([]byte, 12+len(packet.Payload))
	for {
		packet.PayloadType = uint8(s.codec.Load())
		if n, err := packet.MarshalTo(buffer); err == nil && !s.paused.Load() {
			if _, err := s.conn.WriteToUDPAddrPort(buffer[:n], *s.remote.Load()); err == nil {
				s.sent.Add(1)
			}
		}
		packet.Marker = false
		packet.SequenceNumber++
		packet.Timestamp += uint32(len(packet.Payload))
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		}
	}
}

// receive counts RTP until stop closes the socket.
func (s *stream) receive() {
	buffer := make([]byte, 2048)
	var h rtp.Header
	for {
		n, _, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err == nil {
			if _, err := h.Unmarshal(buffer[:n]); err == nil && h.Version == 2 {
				s.received.Add(1)
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// stop ends the stream and waits for its goroutines. It is called once. A late
// ACK may still want to talk: it is too late for that.
func (s *stream) stop() {
	s.started.Do(func() {})
	close(s.stopped)
	s.conn.Close()
	s.running.Wait()
}
