package resolve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// overview shows the switch at a glance.
func (r *Resolver) overview(ctx context.Context) (*model.Overview, error) {
	out := &model.Overview{AsOf: r.asOf(), Minutes: []*model.MinuteStat{}, LedgerSums: []*model.Money{}}
	for _, c := range r.Backend.LiveCalls() {
		out.CallsNow++
		if !c.AnsweredAt.IsZero() {
			out.TalkingNow++
		}
	}
	traffic := r.Backend.Traffic()
	out.Window = window(traffic)
	for _, m := range traffic.Minutes {
		out.Minutes = append(out.Minutes, &model.MinuteStat{At: m.At, Attempts: m.Attempts, Answered: m.Answered})
	}
	sums := r.Backend.LedgerSums()
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		sum := amount(int64(sums[currency]), string(currency))
		out.LedgerSums = append(out.LedgerSums, &sum)
	}
	var err error
	out.Today, err = r.today(ctx)
	return out, err
}

func window(t Traffic) model.Window {
	w := model.Window{Attempts: t.Attempts, Answered: t.Answered}
	if t.Attempts > 0 {
		asr := model.Ratio(int64(t.Answered), int64(t.Attempts))
		w.Asr = &asr
	}
	if t.Ended > 0 {
		acd := t.TalkTime / time.Duration(t.Ended)
		w.Acd = &acd
	}
	if t.Rang > 0 {
		pdd := t.PDD / time.Duration(t.Rang)
		w.Pdd = &pdd
	}
	return w
}

// today adds up the money of the calls that began since midnight UTC: what
// customers are charged from the ingress legs, what vendors are owed from the
// egress legs.
func (r *Resolver) today(ctx context.Context) ([]*model.DayMoney, error) {
	from := r.Now().UTC().Truncate(24 * time.Hour)
	charged, cost := map[string]int64{}, map[string]int64{}
	for _, side := range []struct {
		direction history.Direction
		add       func(history.ReportRow)
	}{
		{history.Ingress, func(row history.ReportRow) { charged[row.Currency] += row.SellMicro }},
		{history.Egress, func(row history.ReportRow) { cost[row.Currency] += row.BuyMicro }},
	} {
		rows, err := r.History.Report(ctx, history.ReportQuery{FromUS: events.Micros(from), Direction: side.direction})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if row.Currency != "" {
				side.add(row)
			}
		}
	}
	all := maps.Clone(charged)
	maps.Copy(all, cost)
	out := []*model.DayMoney{}
	for _, c := range slices.Sorted(maps.Keys(all)) {
		out = append(out, &model.DayMoney{
			Currency: c, Charged: amount(charged[c], c), Cost: amount(cost[c], c), Margin: amount(charged[c]-cost[c], c),
		})
	}
	return out, nil
}

// pad writes a number so that texts sort as numbers do.
func pad(n int64) string { return fmt.Sprintf("%019d", n) }
