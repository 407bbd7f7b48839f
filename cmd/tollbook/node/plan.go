package node

import (
	"net/netip"

	"github.com/tollbook/tollbook/sip/gate"
)

// Plan is what a node's configuration comes to, for who looks at it from outside.
type Plan struct {
	Config
	SIP              []gate.ListenerConfig
	Media            []netip.Addr
	PortMin, PortMax uint16
}

// Plan reads the values of a configuration. The error names the key and the mend.
func (c Config) Plan() (Plan, error) {
	s, err := c.parse()
	return Plan{Config: c, SIP: s.sip, Media: s.media, PortMin: s.portMin, PortMax: s.portMax}, err
}
