package routing

import "github.com/tollbook/tollbook/events/wire"

// Quality is how attempts at a vendor went, in sums.
type Quality struct {
	// Attempts have ended; Answered of them were answered, Effective reached the
	// callee or his network: answered, busy, not answered, or declined.
	Attempts, Answered, Effective uint64
	// TalkMS is the talk time of the answered ones. Rang of the attempts rang,
	// after PDDMS in sum.
	TalkMS, Rang, PDDMS uint64
}

// Plus adds up two sums.
func (q Quality) Plus(b Quality) Quality {
	return Quality{
		q.Attempts + b.Attempts, q.Answered + b.Answered, q.Effective + b.Effective,
		q.TalkMS + b.TalkMS, q.Rang + b.Rang, q.PDDMS + b.PDDMS,
	}
}

// Used is the figure that a criterion compares.
func (q Quality) Used(by *wire.OrderBy) *wire.QualityUsed {
	u := &wire.QualityUsed{Figure: by.Figure, WindowS: by.WindowS, Attempts: q.Attempts}
	var sum, of uint64
	switch by.Figure {
	case wire.QualityFigure_QUALITY_FIGURE_ASR:
		sum, of = q.Answered*ppm, q.Attempts
	case wire.QualityFigure_QUALITY_FIGURE_NER:
		sum, of = q.Effective*ppm, q.Attempts
	case wire.QualityFigure_QUALITY_FIGURE_ACD:
		sum, of = q.TalkMS, q.Answered
	case wire.QualityFigure_QUALITY_FIGURE_PDD:
		sum, of = q.PDDMS, q.Rang
	}
	if of > 0 && q.Attempts >= uint64(by.MinimumAttempts) {
		u.Value, u.Known = sum/of, true
	}
	return u
}

// take makes the sums give a figure that was used: of its attempts, all of which
// rang, so many were answered. The figure comes out to the same millionth or
// millisecond where attempts divide it, and near enough to round alike elsewhere.
func (q *Quality) take(u *wire.QualityUsed) {
	if q.Attempts = max(q.Attempts, u.Attempts); !u.Known {
		return
	}
	switch u.Figure {
	case wire.QualityFigure_QUALITY_FIGURE_ASR:
		q.Answered = (u.Value*u.Attempts + ppm - 1) / ppm
	case wire.QualityFigure_QUALITY_FIGURE_NER:
		q.Effective = (u.Value*u.Attempts + ppm - 1) / ppm
	case wire.QualityFigure_QUALITY_FIGURE_ACD:
		q.Answered = max(q.Answered, 1)
		q.TalkMS = u.Value * q.Answered
	case wire.QualityFigure_QUALITY_FIGURE_PDD:
		q.Rang = 1
		q.PDDMS = u.Value
	}
}
