package evidence

import (
	"bytes"
	"time"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/capture"
)

// capture begins a capture, or more of it; what came before the decision is in it.
func (d *desk) capture(level wire.CapturePolicy) {
	d.level = level
	waited := d.early
	d.early, d.kept = nil, 0
	if level == levelOff {
		return
	}
	if d.pcap == nil {
		d.call.keeper.counts.captures.Add(1)
		if d.pcap = d.newPcap(); d.pcap == nil {
			return
		}
	}
	for _, m := range waited {
		d.pcap.add(m.pair, m.data, m.at)
	}
}

// signal takes a message of the call.
func (d *desk) signal(p pair, data []byte, at time.Time) {
	switch {
	case d.level == levelOpen:
		if d.kept += len(data); d.kept > maxEarly {
			d.lost++
			return
		}
		d.early = append(d.early, early{p, bytes.Clone(data), at})
	case d.pcap != nil:
		d.pcap.add(p, data, at)
	}
}

// newPcap makes a file of packets; nil where there can be none.
func (d *desk) newPcap() *pcap {
	d.pcaps++
	f := d.create(archive.Capture, d.pcaps)
	if f == nil {
		return nil
	}
	return &pcap{file: f}
}

// endPcap ends a file of packets.
func (d *desk) endPcap(of **pcap) {
	p := *of
	if p == nil {
		return
	}
	*of = nil
	lost, log := d.lost, d.call.keeper.config.Log
	d.call.keeper.ending(func() {
		p.flush(p.to.Add(1))
		if p.from.IsZero() {
			p.file.Abandon()
			return
		}
		_, err := p.file.Finish(archive.Details{
			Codec: codecOfCaptures, Truncated: p.cut, Reason: p.reason, From: p.from, To: p.to, Lost: lost,
		})
		if err != nil {
			log.Error("a capture could not be finished", "file", p.file.Name().String(), "err", err)
		}
	})
}

// report sends an RTCP packet's reports to the HOMER server.
func (d *desk) report(p pair, packet []byte, at time.Time) {
	hep := d.call.keeper.config.HEP
	if hep == nil {
		return
	}
	if text, ok := capture.ReportJSON(packet); ok {
		hep.Send(capture.HEP{
			From: p.from, To: p.to, At: at, Kind: capture.HEPRtcp, Payload: text, Correlation: d.call.id.String(),
		})
	}
}
