package live

// minuteUS is a minute in microseconds.
const minuteUS = 60 * 1000 * 1000

// windowMinutes is how many minutes of traffic are kept.
const windowMinutes = 60

// Traffic is the sum of some minutes. Calls count in the minute of their
// INVITE as attempts and in that of their end as ended.
type Traffic struct {
	Attempts int64
	Ended    int64
	// Answered are the ended calls that were answered, TalkMS their talk time.
	Answered int64
	TalkMS   int64
	// PDDUS is the sum of the post-dial delays of PDDCount calls.
	PDDUS    int64
	PDDCount int64
}

// ASRMilli is answered per ended call in thousandths.
func (t Traffic) ASRMilli() int64 { return ratio(t.Answered*1000, t.Ended) }

// ACDMS is the mean talk time of answered calls in milliseconds.
func (t Traffic) ACDMS() int64 { return ratio(t.TalkMS, t.Answered) }

// MeanPDDUS is the mean post-dial delay in microseconds.
func (t Traffic) MeanPDDUS() int64 { return ratio(t.PDDUS, t.PDDCount) }

func ratio(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func (t *Traffic) add(o Traffic) {
	t.Attempts += o.Attempts
	t.Ended += o.Ended
	t.Answered += o.Answered
	t.TalkMS += o.TalkMS
	t.PDDUS += o.PDDUS
	t.PDDCount += o.PDDCount
}

// minute is one minute's traffic. Its fields are exported for snapshots.
type minute struct {
	Number int64
	Traffic
}

// window is a ring of minutes by number.
type window struct {
	minutes [windowMinutes]minute
}

// at returns the sums of a time's minute; what is older than the ring's minute
// goes nowhere.
func (w *window) at(us int64) *Traffic {
	number := max(us, 0) / minuteUS
	m := &w.minutes[number%windowMinutes]
	switch {
	case m.Number > number:
		return new(Traffic)
	case m.Number < number:
		*m = minute{Number: number}
	}
	return &m.Traffic
}

// sum adds up the last minutes before a time, its own included.
func (w *window) sum(nowUS int64, minutes int) (t Traffic) {
	last := max(nowUS, 0) / minuteUS
	for _, m := range w.minutes {
		if m.Number <= last && m.Number > last-int64(min(minutes, windowMinutes)) {
			t.add(m.Traffic)
		}
	}
	return t
}
