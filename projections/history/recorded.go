package history

import (
	"strings"

	"github.com/tollbook/tollbook/events/wire"
)

// bookJournal is the name of the one journal of what is decided.
const bookJournal = "book"

// callOf returns the id of the call that an event is about, nil for other events.
func callOf(e *wire.Event) []byte {
	switch body := e.GetBody().(type) {
	case *wire.Event_HoldPlaced:
		return body.HoldPlaced.GetCall()
	case *wire.Event_RouteAdvanced:
		return body.RouteAdvanced.GetCall()
	case *wire.Event_HoldExtended:
		return body.HoldExtended.GetCall()
	case *wire.Event_CallCharged:
		return body.CallCharged.GetCall()
	case *wire.Event_HoldReleased:
		return body.HoldReleased.GetCall()
	case *wire.Event_ChargeContested:
		return body.ChargeContested.GetCall()
	case *wire.Event_HoldClaimed:
		return body.HoldClaimed.GetCall()
	case *wire.Event_OfflineWrittenUp:
		return body.OfflineWrittenUp.GetCall().GetCall()
	case *wire.Event_CallReceived:
		return body.CallReceived.GetCall()
	case *wire.Event_CallRouted:
		return body.CallRouted.GetCall()
	case *wire.Event_AttemptStarted:
		return body.AttemptStarted.GetCall()
	case *wire.Event_LegRinging:
		return body.LegRinging.GetCall()
	case *wire.Event_LegAnswered:
		return body.LegAnswered.GetCall()
	case *wire.Event_LegEnded:
		return body.LegEnded.GetCall()
	case *wire.Event_GuardTripped:
		return body.GuardTripped.GetCall()
	}
	return nil
}

// isCall tells the events of a call from all others.
func isCall(e *wire.Event) bool {
	switch e.GetBody().(type) {
	case *wire.Event_HoldPlaced, *wire.Event_RouteAdvanced, *wire.Event_HoldExtended, *wire.Event_CallCharged,
		*wire.Event_HoldReleased, *wire.Event_ChargeContested, *wire.Event_HoldClaimed, *wire.Event_OfflineWrittenUp,
		*wire.Event_CallReceived, *wire.Event_CallRouted, *wire.Event_AttemptStarted, *wire.Event_LegRinging,
		*wire.Event_LegAnswered, *wire.Event_LegEnded, *wire.Event_GuardTripped:
		return true
	}
	return false
}

// typeOf names an event's body as the schema does: "call_received".
func typeOf(e *wire.Event) string {
	m := e.ProtoReflect()
	oneof := m.Descriptor().Oneofs().Get(0)
	if field := m.WhichOneof(oneof); field != nil {
		return string(field.Name())
	}
	return ""
}

// nodeOf takes the node out of a journal's name.
func nodeOf(journal string) string {
	if i := strings.LastIndexByte(journal, '.'); i >= 0 {
		return journal[i+1:]
	}
	return ""
}
