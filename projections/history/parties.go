package history

import (
	"context"
	"errors"
	"fmt"
)

// party is who a filter asks for, of those that settled days are known to have: a name
// and what it is the name of. Empty for a filter that asks for nobody.
func (f Filter) party() (kind, name string) {
	switch {
	case f.Account != "":
		return "account", f.Account
	case f.Partner != "":
		return "company", f.Partner
	case f.Company != "":
		return "company", f.Company
	case f.Terminator != "":
		return "terminator", f.Terminator
	case f.Originator != "":
		return "originator", f.Originator
	}
	return "", ""
}

// copyParties notes who has CDRs on a day that settles: one call a month is then found
// without a look into thirty files.
func (s *Store) copyParties(ctx context.Context, f *dayFile) (err error) {
	if f == nil {
		return nil
	}
	for _, kind := range []string{"account", "company", "originator", "terminator"} {
		rows, err := f.reader.QueryContext(ctx, fmt.Sprintf("SELECT DISTINCT %[1]s FROM cdrs WHERE %[1]s > ''", kind))
		names, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.book.exec(ctx, "INSERT INTO parties (kind, name, day) VALUES (?,?,?)", kind, name, string(f.day)); err != nil {
				return err
			}
		}
	}
	return nil
}

// daysFor returns the days that can have CDRs for a filter, in order. What is not settled
// yet always can.
func (s *Store) daysFor(ctx context.Context, f Filter) (days []Day, err error) {
	all := s.days.days()
	kind, name := f.party()
	if kind == "" || !f.Call.IsZero() {
		return all, nil
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT day FROM days WHERE settled = 1
 AND day NOT IN (SELECT day FROM parties WHERE kind = ? AND name = ?)`, kind, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	without := map[Day]bool{}
	for rows.Next() {
		var day Day
		if err := rows.Scan(&day); err != nil {
			return nil, err
		}
		without[day] = true
	}
	for _, day := range all {
		if !without[day] {
			days = append(days, day)
		}
	}
	return days, rows.Err()
}
