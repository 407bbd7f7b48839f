package server_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"
)

const reportQuery = `query($f: ReportFilter!, $g: [ReportGroup!], $n: Int! = 1000) { report(filter: $f, groupBy: $g, first: $n) { more store rows {
	day hour accountId companyId terminatorId destination currency attempts answered asr talk sell { amount currency } tax { amount }
	buy { amount } margins { amount currency } } } }`

// reportOf are the variables of a question.
func reportOf(direction string, groups ...string) map[string]any {
	return map[string]any{"f": map[string]any{"from": noon().Add(-48 * time.Hour).Format(time.RFC3339), "direction": direction}, "g": groups}
}

// TestReport compares reports with the CDRs that they sum.
func TestReport(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	for _, direction := range []string{"INGRESS", "EGRESS"} {
		want := f.cdrSums(c, direction)
		got := map[string]sum{}
		answer := c.must(reportQuery, reportOf(direction, "ACCOUNT"))
		for i := range answer.len("report.rows") {
			at := fmt.Sprintf("report.rows.%d.", i)
			s := sum{attempts: int(answer.at(at + "attempts").(float64)), answered: int(answer.at(at + "answered").(float64)), net: new(big.Rat)}
			for _, money := range []string{"sell", "buy"} {
				if money == "sell" && direction == "INGRESS" || money == "buy" && direction == "EGRESS" {
					if answer.at(at+money) != nil {
						s.net = rat(answer.text(at + money + ".amount"))
					}
				}
			}
			key := fmt.Sprint(answer.at(at+"accountId"), answer.at(at+"currency"))
			got[key] = s
		}
		if len(got) != len(want) || len(got) < 2 {
			t.Fatalf("%s: %v, the CDRs have %v", direction, got, want)
		}
		for key, w := range want {
			if g := got[key]; g.attempts != w.attempts || g.answered != w.answered || g.net.Cmp(w.net) != 0 {
				t.Errorf("%s %s: %+v, the CDRs have %+v", direction, key, g, w)
			}
		}
	}
	page := reportOf("INGRESS", "HOUR", "DESTINATION")
	page["n"] = 2
	if few := c.must(reportQuery, page); few.len("report.rows") != 2 || few.at("report.more") != true {
		t.Error(few)
	}
	page["n"] = 5001
	if a := c.ask(reportQuery, page); len(a.Errors) == 0 {
		t.Error("a report of any length was taken")
	}
}

type sum struct {
	attempts, answered int
	net                *big.Rat
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(errors.New(text))
	}
	return r
}

// cdrSums adds the CDRs of the API up.
func (f *fixture) cdrSums(c *client, direction string) map[string]sum {
	f.t.Helper()
	sums, after := map[string]sum{}, any(nil)
	for {
		page := c.must(`query($d: Direction!, $a: Cursor) { cdrs(first: 100, after: $a, filter: {direction: $d, state: FINAL}) { pageInfo { hasNextPage endCursor }
			nodes { customerAccountId vendorAccountId answered price { net { amount currency } } } } }`, map[string]any{"d": direction, "a": after})
		for i := range page.len("cdrs.nodes") {
			at := fmt.Sprintf("cdrs.nodes.%d.", i)
			account, currency := page.at(at+"customerAccountId"), any(nil)
			if direction == "EGRESS" {
				account = page.at(at + "vendorAccountId")
			}
			net := new(big.Rat)
			if page.at(at+"price") != nil {
				currency, net = page.at(at+"price.net.currency"), rat(page.text(at+"price.net.amount"))
			}
			key := fmt.Sprint(account, currency)
			s := sums[key]
			if s.net == nil {
				s.net = new(big.Rat)
			}
			s.attempts++
			if page.at(at+"answered") == true {
				s.answered++
			}
			s.net.Add(s.net, net)
			sums[key] = s
		}
		if page.at("cdrs.pageInfo.hasNextPage") != true {
			return sums
		}
		after = page.at("cdrs.pageInfo.endCursor")
	}
}

// TestReportOfAPartner: his own side, without what the calls cost us, and nothing by vendors.
func TestReportOfAPartner(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("adam")
	answer := c.must(reportQuery, reportOf("INGRESS", "ACCOUNT", "COMPANY"))
	if answer.len("report.rows") == 0 {
		t.Fatal(answer)
	}
	for i := range answer.len("report.rows") {
		at := fmt.Sprintf("report.rows.%d.", i)
		if answer.at(at+"buy") != nil || answer.len(at+"margins") != 0 || answer.text(at+"companyId") != answer.text("report.rows.0.companyId") {
			t.Error(answer)
		}
	}
	for _, q := range []map[string]any{reportOf("INGRESS", "TERMINATOR"), reportOf("EGRESS", "ORIGINATOR")} {
		if a := c.ask(reportQuery, q); len(a.Errors) == 0 {
			t.Errorf("%v: %v", q, a)
		}
	}
	for _, company := range []string{"company:initech", "company:nobody"} {
		q := reportOf("INGRESS", "ACCOUNT")
		q["f"].(map[string]any)["company"] = company
		if a := c.must(reportQuery, q); a.len("report.rows") != 0 {
			t.Errorf("%s: %v", company, a)
		}
	}
}
