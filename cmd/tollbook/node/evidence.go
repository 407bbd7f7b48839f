package node

import (
	"context"
	"encoding/json"
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

// steering is what is asked of the node that serves a call.
type steering struct {
	Call   events.CallID        `json:"call"`
	Action wire.RecordingAction `json:"action"`
	Actor  string               `json:"actor"`
	Reason string               `json:"reason"`
}

// SteerRecording starts, stops, pauses or resumes the recording of a running call, on
// whichever node serves it.
func (n *Node) SteerRecording(ctx context.Context, id events.CallID, action wire.RecordingAction, actor, reason string) error {
	in := steering{Call: id, Action: action, Actor: actor, Reason: reason}
	return n.whereServed(ctx, id, "recording", in, func() error { return n.steer(in) })
}

func (n *Node) answerRecording(_ context.Context, data []byte) ([]byte, error) {
	var in steering
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("read which recording to steer: %w", err)
	}
	return nil, refusal(n.steer(in))
}

// steer does it to a call of this node, and writes it down.
func (n *Node) steer(in steering) error {
	if err := n.sw.SteerRecording(in.Call, in.Action); err != nil {
		return err
	}
	n.audit.observe(&wire.Event{
		Actor: in.Actor, Correlation: in.Call[:],
		Body: &wire.Event_RecordingSteered{RecordingSteered: &wire.RecordingSteered{
			Call: in.Call[:], Node: n.settings.Node, Action: in.Action, Reason: in.Reason, AtUs: time.Now().UnixMicro(),
		}},
	})
	return nil
}

// recordingOf is how the recording of a running call stands.
func (n *Node) recordingOf(id events.CallID) resolve.RecordingState {
	return map[evidence.Recording]resolve.RecordingState{
		evidence.NotRecorded: resolve.RecordingNone, evidence.Recorded: resolve.RecordingOn,
		evidence.Paused: resolve.RecordingPaused, evidence.Stopped: resolve.RecordingStopped,
	}[n.sw.Recording(id)]
}
