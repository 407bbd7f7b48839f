package relay

import "net/netip"

// transport is the part that differs between systems: it makes sockets and
// brings what arrives on them to Engine.deliver.
type transport interface {
	// shards is the number of workers that pairs are divided among. Both pairs of a
	// call belong to one worker.
	shards() int
	// open binds a pair's sockets, and has their datagrams brought to its ports.
	open(p *pair) error
	// close ends a pair's sockets, and calls done when their ports are free.
	close(p *pair, done func())
	// stop ends all workers and waits for them. Pairs that are closed later are
	// closed at once.
	stop()
}

// socket is one bound UDP socket. send is called under the mutex of the call that
// holds the pair, by whoever brought the datagram.
type socket interface {
	send(packet []byte, to netip.AddrPort) error
}

// port is the sink of one socket.
type port struct {
	pair *pair
	rtcp bool
}

// maxPacket is the largest datagram relayed, in bytes. Media stays below an
// Ethernet frame; what is larger is dropped as malformed.
const maxPacket = 2048
