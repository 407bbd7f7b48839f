package node

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/media/capture"
	"github.com/tollbook/tollbook/media/evidence"
)

// HEP says where a HOMER server gets a copy of the signalling, as HEP3.
type HEP struct {
	// Address is the server's, with a port; empty sends nothing.
	Address string `yaml:"address"`
	// Transport is udp or tcp.
	Transport string `yaml:"transport"`
	// ID is this node's capture id, Password the server's.
	ID       uint32 `yaml:"id"`
	Password string `yaml:"password"`
	// Calls is all, or captured for those only that an evidence rule captures.
	Calls string `yaml:"calls"`
}

func defaultHEP() HEP { return HEP{Transport: "udp", ID: 2001, Calls: "all"} }

// maxHEPPassword keeps a password small beside what it is sent with.
const maxHEPPassword = 128

func (h HEP) check() error {
	if h.Address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(h.Address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
		return fmt.Errorf("hep.address %q is not an address with a port, such as 192.0.2.7:9060", h.Address)
	}
	if h.Transport != "udp" && h.Transport != "tcp" {
		return fmt.Errorf("hep.transport %q is not udp or tcp", h.Transport)
	}
	if h.Calls != "all" && h.Calls != "captured" {
		return fmt.Errorf("hep.calls %q is not all or captured", h.Calls)
	}
	if len(h.Password) > maxHEPPassword {
		return fmt.Errorf("hep.password is longer than %d bytes", maxHEPPassword)
	}
	return nil
}

// openEvidence makes what keeps recordings and captures.
func (n *Node) openEvidence() {
	c := evidence.Config{
		Files: n.files, Log: n.log, HEPAll: n.settings.HEP.Calls == "all",
		Captures: func() bool { return n.tables.World().KeepsEvidence() },
	}
	if hep := n.settings.HEP; hep.Address != "" {
		c.HEP = capture.NewSender(capture.SenderConfig{
			Network: hep.Transport, Address: hep.Address, Agent: hep.ID, Key: hep.Password, Log: n.log,
		})
	}
	n.evidence = evidence.Open(c)
	n.onClose(func() error { n.evidence.Close(); return nil })
	n.gate.Trace(n.evidence)
}

// SteerRecording starts, stops, pauses or resumes the recording of a running call.
func (n *Node) SteerRecording(_ context.Context, id events.CallID, action wire.RecordingAction, actor, reason string) error {
	if err := n.sw.SteerRecording(id, action); err != nil {
		return err
	}
	e := &wire.Event{
		Actor: actor, Correlation: id[:],
		Body: &wire.Event_RecordingSteered{RecordingSteered: &wire.RecordingSteered{
			Call: id[:], Node: n.settings.Node, Action: action, Reason: reason, AtUs: time.Now().UnixMicro(),
		}},
	}
	n.audit.observe(e)
	return nil
}

// recordingOf is how the recording of a running call stands.
func (n *Node) recordingOf(id events.CallID) resolve.RecordingState {
	return map[evidence.Recording]resolve.RecordingState{
		evidence.NotRecorded: resolve.RecordingNone, evidence.Recorded: resolve.RecordingOn,
		evidence.Paused: resolve.RecordingPaused, evidence.Stopped: resolve.RecordingStopped,
	}[n.sw.Recording(id)]
}
