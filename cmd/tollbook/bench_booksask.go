package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/sample"
)

// reporter is what answers sums: either engine.
type reporter interface {
	Report(ctx context.Context, q history.ReportQuery) ([]history.ReportRow, error)
}

// askEmbedded asks the embedded store: pages of accounts, the largest every other time,
// calls of all days, and sums.
func (b *booksBench) askEmbedded(ctx context.Context, s *booksStore) error {
	var known []events.CallID
	var err error
	s.AccountPageP99MS, err = b.p99(func(i int) error {
		page, err := b.store.CDRs(ctx, history.Filter{Account: sample.Account(i % 2 * i % b.calls.Accounts)}, history.Page{First: 50})
		if err == nil && len(page.Rows) == 0 {
			err = errors.New("an account has no CDRs")
		}
		return err
	})
	if err != nil {
		return err
	}
	if known, err = b.known(ctx); err != nil {
		return err
	}
	s.OneCallP99MS, err = b.p99(func(i int) error {
		_, err := b.store.Call(ctx, known[i%len(known)])
		return err
	})
	if err != nil {
		return err
	}
	return b.askSums(ctx, b.store, s)
}

// known are calls of many days.
func (b *booksBench) known(ctx context.Context) (all []events.CallID, err error) {
	now := time.Now().UnixMicro()
	for i := range min(b.questions, 200) {
		to := now - int64(i)*int64(b.days)*dayUS/200
		page, err := b.store.CDRs(ctx, history.Filter{ToUS: to}, history.Page{First: 1})
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			all = append(all, row.Call)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there are no calls")
	}
	return all, nil
}

// askSums asks for 90 days of the largest account by day and destination, and for ASR
// and ACD of the vendors over a day.
func (b *booksBench) askSums(ctx context.Context, from reporter, s *booksStore) error {
	now := time.Now().UnixMicro()
	var err error
	s.Sum90dP99MS, err = b.p99(func(int) error {
		return some(from.Report(ctx, history.ReportQuery{
			FromUS: now - 90*dayUS, Account: sample.Account(0), GroupBy: []history.Group{history.ByDay, history.ByDestination}}))
	})
	if err != nil {
		return err
	}
	s.ASRP99MS, err = b.p99(func(int) error {
		return some(from.Report(ctx, history.ReportQuery{
			FromUS: now - dayUS, Direction: history.Egress, GroupBy: []history.Group{history.ByTerminator}}))
	})
	return err
}

func some(rows []history.ReportRow, err error) error {
	if err == nil && len(rows) == 0 {
		return errors.New("a report has no rows")
	}
	return err
}

// askCopied asks ClickHouse the same.
func (b *booksBench) askCopied(ctx context.Context, s *booksStore) error {
	known, err := b.known(ctx)
	if err != nil {
		return err
	}
	s.AccountPageP99MS, err = b.p99(func(i int) error {
		page, err := b.sink.CDRs(ctx, history.Filter{Account: sample.Account(i % 2 * i % b.calls.Accounts)}, history.Page{First: 50})
		if err == nil && len(page.Rows) == 0 {
			err = errors.New("an account has no CDRs in ClickHouse")
		}
		return err
	})
	if err != nil {
		return err
	}
	s.OneCallP99MS, err = b.p99(func(i int) error {
		page, err := b.sink.CDRs(ctx, history.Filter{Call: known[i%len(known)]}, history.Page{First: 50})
		if err == nil && len(page.Rows) == 0 {
			err = fmt.Errorf("call %s is not in ClickHouse", known[i%len(known)])
		}
		return err
	})
	if err != nil {
		return err
	}
	return b.askSums(ctx, b.sink, s)
}
