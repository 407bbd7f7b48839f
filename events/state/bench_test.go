package state_test

import (
	"encoding/binary"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// BenchmarkCall is a keeper's work for one call: a hold and its charge decided,
// written in bytes and folded.
func BenchmarkCall(b *testing.B) {
	bk := start(b, account("cust", 1_000_000_000_000))
	st, rates := bk.st, state.NewRates()
	key := make([]byte, 16)
	run := func(cmd *wire.Command) {
		cmd.Key, cmd.Actor, cmd.Node = key, "n1", "n1"
		evs, reply := st.Decide(noon, rates, cmd)
		if reply.Error != nil {
			b.Fatal(reply.Error)
		}
		for _, e := range evs {
			if _, err := events.Marshal(e); err != nil {
				b.Fatal(err)
			}
			if err := st.Evolve(noon, e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		call := make([]byte, 16)
		binary.BigEndian.PutUint64(call, uint64(n)+1)
		hold, charge := bk.placing(0, "cust", 12_000), charging(0, 30_000)
		hold.GetPlaceHold().Call, charge.GetChargeCall().Call = call, call
		run(hold)
		run(charge)
	}
}
