package server_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/xuri/excelize/v2"

	"github.com/tollbook/tollbook/graphql/gen"
)

// table reads an exported list.
func table(t *testing.T, w *httptest.ResponseRecorder) (head []string, rows []map[string]string) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	all, err := csv.NewReader(w.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			row[all[0][i]] = cell
		}
		rows = append(rows, row)
	}
	return all[0], rows
}

// TestEveryListIsExported: all connections of the schema, with columns.
func TestEveryListIsExported(t *testing.T) {
	f := newFixture(t, noon)
	c, lists := f.as("root"), 0
	for _, field := range gen.NewExecutableSchema(gen.Config{}).Schema().Query.Fields {
		if !strings.HasSuffix(field.Type.Name(), "Connection") || slices.ContainsFunc(field.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil }) {
			continue
		}
		lists++
		head, rows := table(t, c.get("/export/list/"+field.Name+".csv", ""))
		if len(head) < 2 {
			t.Errorf("%s has the columns %v", field.Name, head)
		}
		t.Logf("%s: %d rows, %d columns", field.Name, len(rows), len(head))
	}
	if lists < 15 {
		t.Errorf("%d lists", lists)
	}
}

// TestListsMeanTheSame: rows, filters and amounts are those of the API, over all pages.
func TestListsMeanTheSame(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	_, rows := table(t, c.get("/export/list/cdrs.csv?direction=INGRESS&state=FINAL&account=acme-usd&zone=Europe/Riga&columns=callId,setupAt,answered,price.net.amount,price.net.currency,margin.amount", ""))
	var want []map[string]string
	for after := any(nil); ; {
		page := c.must(`query($a: Cursor) { cdrs(first: 50, after: $a, filter: {direction: INGRESS, state: FINAL, account: "acme-usd"}) { pageInfo { hasNextPage endCursor }
			nodes { callId answered price { net { amount currency } } margin { amount } } } }`, map[string]any{"a": after})
		for i := range page.len("cdrs.nodes") {
			at := fmt.Sprintf("cdrs.nodes.%d.", i)
			row := map[string]string{"callId": page.text(at + "callId"), "answered": fmt.Sprint(page.at(at + "answered")), "price.net.amount": "", "price.net.currency": "", "margin.amount": ""}
			if page.at(at+"price") != nil {
				row["price.net.amount"], row["price.net.currency"] = page.text(at+"price.net.amount"), page.text(at+"price.net.currency")
			}
			if page.at(at+"margin") != nil {
				row["margin.amount"] = page.text(at + "margin.amount")
			}
			want = append(want, row)
		}
		if after = page.at("cdrs.pageInfo.endCursor"); page.at("cdrs.pageInfo.hasNextPage") != true {
			break
		}
	}
	if len(rows) != len(want) || len(rows) < 5 {
		t.Fatalf("%d rows, the API has %d", len(rows), len(want))
	}
	for i, row := range rows {
		if at := row["setupAt"]; !strings.HasSuffix(at, "+02:00") {
			t.Errorf("%s is not of Riga", at)
		}
		delete(row, "setupAt")
		if fmt.Sprint(row) != fmt.Sprint(want[i]) {
			t.Errorf("row %d: %v, the API has %v", i, row, want[i])
		}
	}
	head, sums := table(t, c.get("/export/list/report.csv?from=2026-01-01T00:00:00Z&groupBy=ACCOUNT,DAY", ""))
	if len(sums) < 2 || !slices.Contains(head, "sell.amount") || sums[0]["attempts"] == "" {
		t.Errorf("a report: %v %v", head, sums)
	}
	_, entries := table(t, c.get("/export/list/account.entries.csv?id=acme-usd", ""))
	if len(entries) == 0 || entries[0]["amount.currency"] != "USD" {
		t.Errorf("entries %v", entries)
	}
	w := c.get("/export/list/accounts.xlsx?columns=key,company.key,creditLimit.amount", "")
	book, err := excelize.OpenReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	cells, err := book.GetRows("Sheet1")
	if err != nil || len(cells) < 5 || strings.Join(cells[0], " ") != "key company.key creditLimit.amount" {
		t.Errorf("%v %v", cells, err)
	}
}

// TestListsOfATenant: nobody exports what he cannot ask for.
func TestListsOfATenant(t *testing.T) {
	f := newFixture(t, noon)
	adam := f.as("adam")
	head, rows := table(t, adam.get("/export/list/accounts.csv", ""))
	if len(rows) != 1 || rows[0]["key"] != "acme-usd" {
		t.Errorf("%v %v", head, rows)
	}
	_, cdrs := table(t, adam.get("/export/list/cdrs.csv", ""))
	for _, row := range cdrs {
		if row["customerCompanyId"] != "company:acme" || row["cost.amount"]+row["margin.amount"] != "" {
			t.Errorf("%v", row)
		}
	}
	foreign, none := adam.get("/export/list/account.entries.csv?id=initech-eur", ""), adam.get("/export/list/account.entries.csv?id=nobody", "")
	if foreign.Code != none.Code || foreign.Body.String() != none.Body.String() || foreign.Code == http.StatusOK {
		t.Errorf("%d %s, %d %s", foreign.Code, foreign.Body, none.Code, none.Body)
	}
	for path, want := range map[string]int{
		"/export/list/users.csv": 404, "/export/list/audit.csv": 404, "/export/list/nothing.csv": 404, "/export/list/accounts.pdf": 404,
		"/export/list/accounts.csv?colour=red": 400, "/export/list/accounts.csv?columns=key,colour": 400, "/export/list/account.csv?id=acme-usd": 404,
		"/export/list/accounts.csv?zone=Mars": 400, "/export/list/account.entries.csv": 400, "/export/list/cdrs.csv?answered=perhaps": 400,
		"/export/list/cdrs.csv?state=ODD": 400,
	} {
		if w := adam.get(path, ""); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.client().get("/export/list/accounts.csv", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", w.Code)
	}
}
