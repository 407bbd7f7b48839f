package resolve

import (
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/model"
)

// rescuesBefore are the rescues that were recorded before an instant.
func (r *Resolver) rescuesBefore(end time.Time) []*model.Rescue {
	out := []*model.Rescue{}
	for _, one := range r.Backend.Rescues() {
		if at := time.UnixMicro(one.TimeUs); at.Before(end) {
			m := &model.Rescue{
				Position: events.Position(one.Position), RecordedAt: at.UTC(), Node: one.Rescued.GetNode(), Reason: one.Rescued.GetReason(),
			}
			for _, j := range one.Rescued.GetJournals() {
				lost := &model.RescuedJournal{
					Journal: j.Journal, KeptPosition: events.Position(j.Position), HeardPosition: events.Position(j.HeardPosition),
				}
				if j.Number > 0 {
					kept := time.UnixMicro(j.TimeUs).UTC()
					lost.KeptAt = &kept
				}
				m.Journals = append(m.Journals, lost)
			}
			out = append(out, m)
		}
	}
	return out
}
