package evidence

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
)

// The levels of a capture: levelOpen until it is decided, then the policy's.
const (
	levelOpen = wire.CapturePolicy_CAPTURE_POLICY_UNSPECIFIED
	levelOff  = wire.CapturePolicy_CAPTURE_POLICY_OFF
	levelSIP  = wire.CapturePolicy_CAPTURE_POLICY_SIP
	levelFull = wire.CapturePolicy_CAPTURE_POLICY_FULL
)

// Recording says how a call's recording stands.
type Recording uint8

// The states of a recording.
const (
	NotRecorded Recording = iota
	Recorded
	Paused
	Stopped
)

// Call is the evidence of one call. Its methods may be called from any goroutine.
type Call struct {
	keeper *Keeper
	id     events.CallID
	queue  *queue

	mu        sync.Mutex
	watched   []string
	media     *relay.Call
	tapped    bool
	known     bool // to its writer
	level     wire.CapturePolicy
	recording Recording
	recorder  bool // there is a recording, paused or not
	begun     bool // there was one
	// pausedAt and resumedAt are the last pause; a zero resumedAt after a pausedAt
	// is one that goes on.
	pausedAt, resumedAt time.Time
	over                time.Time // zero while the call goes on

	desk desk // the writer's
}

// Watch has a SIP dialog's messages belong to the call.
func (c *Call) Watch(callID string) {
	c.mu.Lock()
	over := !c.over.IsZero()
	if !over {
		c.watched = append(c.watched, callID)
	}
	c.mu.Unlock()
	if over {
		return
	}
	c.keeper.mu.Lock()
	defer c.keeper.mu.Unlock()
	if list := c.keeper.byCallID[callID]; !slices.Contains(list, c) {
		c.keeper.byCallID[callID] = append(list, c)
	}
}

// Media tells the call's relay, once it has one.
func (c *Call) Media(m *relay.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.media = m
	c.tap()
}

// Capture decides what is captured. A later decision counts only if it is for more.
func (c *Call) Capture(level wire.CapturePolicy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if level = max(level, levelOff); level <= c.level || !c.over.IsZero() {
		return
	}
	c.level = level
	if level != levelOff {
		c.enlist()
	}
	if c.known {
		c.queue.do(func() { c.desk.capture(level) })
	}
	c.tap()
}

// enlist tells a writer of the call; the mutex is held.
func (c *Call) enlist() {
	if !c.known {
		c.known = true
		c.desk.call = c
		k := c.keeper
		k.writers[k.next.Add(1)%uint32(len(k.writers))].add(c)
	}
}

// tap hears the media as long as somebody wants it; the mutex is held.
func (c *Call) tap() {
	wanted := c.level == levelFull || c.recorder
	if c.media == nil || wanted == c.tapped {
		return
	}
	c.tapped = wanted
	if wanted {
		c.media.SetTap(c)
	} else {
		c.media.SetTap(nil)
	}
}

// Packet is for the relay.
func (c *Call) Packet(side relay.Side, rtcp bool, packet []byte, from, to netip.AddrPort, at time.Time) {
	c.queue.put(isMedia, pair{from: from, to: to, side: side, rtcp: rtcp}, packet, at)
}

// Formats is for the relay.
func (c *Call) Formats(side relay.Side, formats []relay.PayloadType) {
	c.queue.do(func() { c.desk.formatsOf(side, formats) })
}

// signal takes a message of the call's and tells whether it is captured.
func (c *Call) signal(p pair, data []byte, at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level == levelOff {
		return false
	}
	c.enlist()
	c.queue.put(isSignal, p, data, at)
	return c.level >= levelSIP
}

// hushed tells whether an instant lies within a pause.
func (c *Call) hushed(at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.pausedAt.IsZero() && !at.Before(c.pausedAt) && (c.resumedAt.IsZero() || at.Before(c.resumedAt))
}

// Recording tells how the recording stands.
func (c *Call) Recording() Recording {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recording
}

// Kept tells whether a recording was begun, and whether anything is captured.
func (c *Call) Kept() (recorded, captured bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun, c.level > levelOff
}

// Steer starts, stops, pauses or resumes the recording. What does not fit how it
// stands is CodeConflict. A call that is captured only can be paused, too.
func (c *Call) Steer(action wire.RecordingAction) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case !c.over.IsZero():
		return events.NotFound("the call is over")
	case action == wire.RecordingAction_RECORDING_ACTION_START && !c.recorder && c.recording != Paused:
		c.recording, c.recorder, c.begun = Recorded, true, true
		c.enlist()
		c.queue.do(func() { c.desk.start(now) })
	case action == wire.RecordingAction_RECORDING_ACTION_STOP && c.recorder:
		if c.recording == Paused {
			c.resumedAt = now
		}
		c.recording, c.recorder = Stopped, false
		c.queue.do(func() { c.desk.stop(now) })
	case action == wire.RecordingAction_RECORDING_ACTION_PAUSE && c.recording != Paused && (c.recorder || c.level >= levelSIP):
		c.recording, c.pausedAt, c.resumedAt = Paused, now, time.Time{}
		c.queue.do(func() { c.desk.pause(now) })
	case action == wire.RecordingAction_RECORDING_ACTION_RESUME && c.recording == Paused:
		c.recording, c.resumedAt = NotRecorded, now
		if c.recorder {
			c.recording = Recorded
		}
		c.queue.do(func() { c.desk.resume(now) })
	default:
		return events.Refuse(events.CodeConflict, "the recording is %s: it cannot be asked to %s", stateNames[c.recording], actionNames[action])
	}
	c.tap()
	return nil
}

var (
	stateNames  = [...]string{"not running", "running", "paused", "stopped"}
	actionNames = map[wire.RecordingAction]string{
		wire.RecordingAction_RECORDING_ACTION_START: "start", wire.RecordingAction_RECORDING_ACTION_STOP: "stop",
		wire.RecordingAction_RECORDING_ACTION_PAUSE: "pause", wire.RecordingAction_RECORDING_ACTION_RESUME: "resume",
	}
)

// End tells that the call is over. Messages that come within a second still count.
func (c *Call) End() {
	c.mu.Lock()
	if !c.over.IsZero() {
		c.mu.Unlock()
		return
	}
	c.over = time.Now()
	if c.tapped {
		c.media.SetTap(nil)
		c.tapped = false
	}
	c.media = nil
	known := c.known
	c.mu.Unlock()
	if !known && !c.keeper.Wants() {
		c.forget()
		return
	}
	time.AfterFunc(linger, c.forget)
}

// forget has the call's dialogs be nobody's.
func (c *Call) forget() {
	k := c.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range c.watched {
		list := slices.DeleteFunc(slices.Clone(k.byCallID[id]), func(other *Call) bool { return other == c })
		if len(list) == 0 {
			delete(k.byCallID, id)
		} else {
			k.byCallID[id] = list
		}
	}
}
