package cluster

import (
	"sync"
	"time"
	_ "unsafe" // go:linkname, for the timers below
)

// The timers of elections are the server's own and cannot be set from outside. Its
// defaults are for groups across continents: a dead leader is missed for 4 to 9 s.
//
//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

//go:linkname lostQuorumInterval github.com/nats-io/nats-server/v2/server.lostQuorumInterval
var lostQuorumInterval time.Duration

//go:linkname lostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
var lostQuorumCheck time.Duration

//go:linkname peerRemoveTimeout github.com/nats-io/nats-server/v2/server.peerRemoveTimeout
var peerRemoveTimeout time.Duration

// removeFor is how long a server that was removed is not taken in again. It is long
// enough for what it sent before to have arrived; who must stay out is refused by his
// certificate.
const removeFor = 3 * time.Second

// Quick timers: measured with one leader killed in three nodes on one machine, the
// next one was there after 1.0 to 1.6 s. A leader notices in two seconds that it
// has lost the others.
const (
	quickElectionMin = 1 * time.Second
	quickElectionMax = 2 * time.Second
	quickHeartbeat   = 200 * time.Millisecond
	quickLost        = 2 * time.Second
)

var quick sync.Once

var shortly sync.Once

// rejoinShortly lets a node that was forgotten come back after removeFor.
func rejoinShortly() { shortly.Do(func() { peerRemoveTimeout = removeFor }) }

// quickElections sets the timers, once and before any server runs in the process.
func quickElections() {
	quick.Do(func() {
		minElectionTimeout, maxElectionTimeout = quickElectionMin, quickElectionMax
		hbInterval = quickHeartbeat
		lostQuorumInterval, lostQuorumCheck = quickLost, quickLost/2
	})
}
