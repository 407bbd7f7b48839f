package history

import "github.com/tollbook/tollbook/events/wire"

// Measured is a row that has nothing but a leg's media in it: what is received on a
// leg that goes on, as its CDR will have it.
func Measured(m *wire.MediaQuality) (row CDR) {
	row.measured(m)
	return row
}

func (c *CDR) measured(m *wire.MediaQuality) {
	c.Packets, c.Bytes = int64(m.GetPackets()), int64(m.GetBytes())
	c.LostPkts, c.Duplicates = int64(m.GetLost()), int64(m.GetDuplicates())
	c.Reordered, c.Rejected = int64(m.GetReordered()), int64(m.GetRejected())
	c.JitterUS, c.MOSCenti = int64(m.GetJitterUs()), int64(m.GetMosCenti())
	c.Quality = qualityOf(m)
}

func qualityOf(m *wire.MediaQuality) Quality {
	r, d := m.GetReported(), m.GetDropped()
	return Quality{
		SRTP: m.GetSrtp(), MeanJitterUS: int64(m.GetMeanJitterUs()), MaxJitterUS: int64(m.GetMaxJitterUs()),
		Gaps: int64(m.GetGaps()), LongestSilenceMS: int64(m.GetLongestSilenceMs()),
		RTTUS: int64(m.GetRttUs()), MaxRTTUS: int64(m.GetMaxRttUs()),
		Reported: int64(r.GetReports()), ReportedLost: int64(r.GetLost()), ReportedJitterUS: int64(r.GetJitterUs()),
		ReportedMOSCenti: int64(r.GetMosCenti()), ReportedDiscarded: int64(r.GetDiscarded_256()),
		DroppedSource: int64(d.GetSource()), DroppedMalformed: int64(d.GetMalformed()), DroppedNoPeer: int64(d.GetNoPeer()),
		DroppedSend: int64(d.GetSend()), DroppedAuth: int64(d.GetAuth()), DroppedReplay: int64(d.GetReplay()),
		DTMFEvents: int64(m.GetDtmfEvents()),
	}
}
