package b2bua

import (
	"cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/evidence"
)

// keeps is what is kept of the call by the rules, as far as its terminator is known.
func (c *session) keeps(terminator string) routing.Evidence {
	return c.sw.config.World().Evidence(routing.Parties{
		Call: c.id, Originator: c.origin.Id, Terminator: terminator,
		Caller: c.in.caller, Called: cmp.Or(c.in.called, c.in.numbers.Called),
	})
}

// witness decides what is captured, if that does not depend on the terminator; its
// signalling waits until it is known.
func (c *session) witness() {
	if c.evidence != nil && !c.sw.config.World().EvidenceAwaits() {
		c.evidence.Capture(c.keeps("").Capture)
	}
}

// witnessWith decides what is captured of a call that is sent to a terminator.
func (c *session) witnessWith(terminator string) {
	if c.evidence != nil {
		c.evidence.Capture(c.keeps(terminator).Capture)
	}
}

// recordTalk begins the recording of an answered call, if a rule wants it and nobody
// steers it already.
func (c *session) recordTalk(l *egress) {
	if c.evidence == nil || c.evidence.Recording() != evidence.NotRecorded || !c.keeps(l.plan.Candidate.Terminator).Record {
		return
	}
	if err := c.evidence.Steer(wire.RecordingAction_RECORDING_ACTION_START); err != nil {
		c.log.Warn("a call is not recorded", "err", err)
	}
}

// kept tells whether a recording or a capture of the call was begun.
func (c *session) kept() (recorded, captured bool) {
	if c.evidence == nil {
		return false, false
	}
	return c.evidence.Kept()
}

// closeEvidence ends what is kept of the call.
func (c *session) closeEvidence() {
	if c.evidence != nil {
		c.evidence.Capture(c.keeps("").Capture) // it may never have got to a terminator
		c.evidence.End()
	}
}

// SteerRecording starts, stops, pauses or resumes the recording of a call in progress.
func (s *Switch) SteerRecording(id events.CallID, action wire.RecordingAction) error {
	s.mu.Lock()
	c := s.calls[id]
	s.mu.Unlock()
	if c == nil || c.evidence == nil {
		return events.NotFound("call %s is not in progress on this node", id)
	}
	done := make(chan error, 1)
	c.post(func(call.Now) {
		if action == wire.RecordingAction_RECORDING_ACTION_START && !c.talking.Load() {
			done <- events.Refuse(events.CodeConflict, "call %s is not answered yet: there is nothing to record", id)
			return
		}
		done <- c.evidence.Steer(action)
	})
	select {
	case err := <-done:
		return err
	case <-c.done:
		return events.NotFound("call %s is over", id)
	}
}

// Recording tells how the recording of a call in progress stands.
func (s *Switch) Recording(id events.CallID) evidence.Recording {
	s.mu.Lock()
	c := s.calls[id]
	s.mu.Unlock()
	if c == nil || c.evidence == nil {
		return evidence.NotRecorded
	}
	return c.evidence.Recording()
}
