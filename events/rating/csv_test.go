package rating_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

func TestParseCSV(t *testing.T) {
	row := func(prefix string) rating.Row {
		return rating.Row{Prefix: prefix, PriceFirst: 12_000_000, PriceNext: 12_000_000, IntervalFirst: 1, IntervalNext: 1}
	}
	full := rating.Row{
		Prefix: "49", Destination: `Germany, "mobile"`, PriceFirst: 1_000_000_000, PriceNext: 500_000_000, IntervalFirst: 30,
		IntervalNext: 6, Free: 5, ConnectFee: 10_000, AttemptFee: 20_000, Minimum: 30_000, Blocked: true,
	}
	other := row("44")
	other.IntervalFirst, other.IntervalNext, other.Free = 60, 30, 10
	free := row("1")
	free.PriceNext = 0
	for _, c := range []struct {
		name, in string
		want     []rating.Row
	}{
		{"least", "prefix,price\n44,0.012\n", []rating.Row{row("44")}},
		{"no newline at the end", "prefix,price\n44,0.012", []rating.Row{row("44")}},
		{"price_first", "price_first,prefix\n0.012,44\n", []rating.Row{row("44")}},
		{"sorted", "prefix,price\n49,0.012\n4,0.012\n44,0.012\n", []rating.Row{row("4"), row("44"), row("49")}},
		{"byte order mark", "\xef\xbb\xbfprefix,price\n44,0.012\n", []rating.Row{row("44")}},
		{"CRLF", "prefix,price\r\n44,0.012\r\n", []rating.Row{row("44")}},
		{"spaces and capitals", " Prefix , PRICE \n +44 , 0.012 \n", []rating.Row{row("44")}},
		{"quotes", "\"prefix\",\"price\"\n\"44\",\"0.012\"\n", []rating.Row{row("44")}},
		{"empty lines", "prefix,price\n\n44,0.012\n\n", []rating.Row{row("44")}},
		{"empty cells", "prefix,price,price_next,connect_fee,blocked\n44,0.012,,,\n", []rating.Row{row("44")}},
		{"increments", "prefix,price,increments\n44,0.012,60/30/10\n", []rating.Row{other}},
		{"two increments", "prefix,price,increments\n44,0.012,1/1\n", []rating.Row{row("44")}},
		{"the next is free", "prefix,price,price_next\n1,0.012,0\n", []rating.Row{free}},
		{"everything", "prefix,destination,price_first,price_next,interval_first,interval_next,free_seconds,connect_fee,attempt_fee,minimum,blocked\n" +
			`49,"Germany, ""mobile""",1,0.5,30,6,5,0.01,0.02,0.03,true` + "\n", []rating.Row{full}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := rating.ParseCSV([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseCSVNamesTheFault(t *testing.T) {
	huge := strings.Repeat("9", 10<<20)
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "the deck is empty"},
		{"only a mark", "\xef\xbb\xbf", "the deck is empty"},
		{"no rows", "prefix,price\n", "the deck has no rows"},
		{"unknown column", "prefix,price,colour\n", `line 1: unknown column "colour"`},
		{"column without name", "prefix,,price\n", `line 1: unknown column ""`},
		{"missing prefix", "price\n1\n", "line 1: the column prefix is missing"},
		{"missing price", "prefix,price_next\n1,1\n", "line 1: the column price_first is missing"},
		{"column twice", "prefix,price,price_first\n1,1,1\n", `line 1: column "price_first" stands twice`},
		{"two ways to say it", "prefix,price,increments,interval_first\n1,1,1/1/0,1\n", "line 1: the column increments stands for interval_first"},
		{"letter", "prefix,price\n1,1\n44x,1\n", `line 3: column prefix: prefix "44x"`},
		{"empty prefix", "prefix,price\n,1\n", "line 2: column prefix: the prefix is empty"},
		{"only a plus", "prefix,price\n+,1\n", "line 2: column prefix: the prefix is empty"},
		{"long prefix", "prefix,price\n123456789012345678901,1\n", "line 2: column prefix: prefix"},
		{"empty price", "prefix,price\n1,\n", "line 2: column price_first:"},
		{"negative price", "prefix,price\n1,-0.5\n", "line 2: column price_first: the price -0.5 is negative"},
		{"negative next", "prefix,price,price_next\n1,1,-1\n", "line 2: column price_next:"},
		{"negative fee", "prefix,price,connect_fee\n1,1,-1\n", "line 2: column connect_fee: the fee -1 is negative"},
		{"dear", "prefix,price\n1,9000.1\n", "line 2: column price_first: rate 9000.1 is too large"},
		{"comma as a point", "prefix;price\n1;1\n", `line 1: unknown column "prefix;price"`},
		{"interval of nothing", "prefix,price,interval_first\n1,1,0\n", "line 2: column interval_first:"},
		{"next of nothing", "prefix,price,increments\n1,1,30/0/0\n", "line 2: column increments:"},
		{"interval of a week", "prefix,price,interval_next\n1,1,604800\n", "line 2: column interval_next:"},
		{"free", "prefix,price,free_seconds\n1,1,-1\n", "line 2: column free_seconds:"},
		{"increments", "prefix,price,increments\n1,1,60\n", "line 2: column increments:"},
		{"blocked", "prefix,price,blocked\n1,1,maybe\n", `line 2: column blocked: "maybe" is neither true nor false`},
		{"twice", "prefix,price\n44,1\n1,1\n+44,2\n", "prefix 44 stands twice"},
		{"too few", "prefix,price\n1,1\n2\n", "line 3: this row has not as many fields as the header"},
		{"too many", "prefix,price\n1,1,1\n", "line 2: this row has not as many fields as the header"},
		{"open quote", "prefix,price\n1,\"1\n", "line "},
		{"stray quote", "prefix,price\n1,1\"2\n", "line 2: "},
		{"Latin-1", "prefix,price,destination\n225,1,C\xf4te d'Ivoire\n", "line 2: column destination:"},
		{"line end within", "prefix,price,destination\n225,1,\"a\nb\"\n", "line 2: column destination:"},
		{"long name", "prefix,price,destination\n225,1," + strings.Repeat("x", 121) + "\n", "line 2: column destination:"},
		{"10 MB column", huge + ",price\n", "line 1: unknown column"},
		{"10 MB prefix", "prefix,price\n" + huge + ",1\n", "line 2: column prefix:"},
		{"10 MB price", "prefix,price\n1," + huge + "\n", "line 2: column price_first:"},
		{"10 MB fee", "prefix,price,minimum\n1,1," + huge + "\n", "line 2: column minimum:"},
		{"10 MB interval", "prefix,price,interval_next\n1,1," + huge + "\n", "line 2: column interval_next:"},
		{"10 MB increments", "prefix,price,increments\n1,1," + huge + "\n", "line 2: column increments:"},
		{"10 MB increment", "prefix,price,increments\n1,1,1/1/" + huge + "\n", "line 2: column increments:"},
		{"10 MB blocked", "prefix,price,blocked\n1,1," + huge + "\n", "line 2: column blocked:"},
		{"10 MB name", "prefix,price,destination\n1,1," + huge + "\n", "line 2: column destination:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := rating.ParseCSV([]byte(c.in))
			if events.CodeOf(err) != events.CodeInvalid || rows != nil {
				t.Fatalf("%v, %v, want a refusal", rows, err)
			}
			if !strings.Contains(err.Error(), c.want) || len(err.Error()) > 300 {
				t.Errorf("%.400s, want %q", err, c.want)
			}
		})
	}
}

// settled checks what must hold of every deck that was accepted.
func settled(t *testing.T, rows []rating.Row) {
	t.Helper()
	blob := rating.Canonical(rows)
	again, err := rating.ParseCSV(blob)
	if err != nil {
		t.Fatalf("the canonical form is refused: %v\n%s", err, blob)
	}
	if diff := cmp.Diff(rows, again); diff != "" {
		t.Fatalf("the canonical form says something else: %s", diff)
	}
	if !bytes.Equal(rating.Canonical(again), blob) {
		t.Fatal("the canonical form is not stable")
	}
	for i := range rows {
		terms := rows[i].Terms(&wire.Deck{Id: "d", Currency: "USD"}, &wire.DeckVersion{Number: 1}, i+1)
		if err := rating.CheckTerms(terms); err != nil {
			t.Fatal(err)
		}
		e := &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: &wire.HoldPlaced{Lines: []*wire.HoldLine{{Sell: terms}}}}}
		if _, err := events.Marshal(e); err != nil {
			t.Fatalf("row %d cannot stand in an event: %v", i+1, err)
		}
	}
}

func TestCanonicalIsForEver(t *testing.T) {
	rows, err := rating.ParseCSV([]byte("prefix,price,increments,destination\n49,0.5,30/6/0,\"a, b\"\n1,0.012,1/1/5,\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "prefix,destination,price_first,price_next,interval_first,interval_next,free_seconds,connect_fee,attempt_fee,minimum,blocked\n" +
		"1,,0.012000000,0.012000000,1,1,5,0.000000,0.000000,0.000000,false\n" +
		"49,\"a, b\",0.500000000,0.500000000,30,6,0,0.000000,0.000000,0.000000,false\n"
	if diff := cmp.Diff(want, string(rating.Canonical(rows))); diff != "" {
		t.Error(diff)
	}
	settled(t, rows)
}

func TestLargeDeck(t *testing.T) {
	if testing.Short() {
		t.Skip("a deck of 200,000 rows")
	}
	var b bytes.Buffer
	b.WriteString("prefix,price\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "%d,0.01\n", 1_000_000+i)
	}
	rows, err := rating.ParseCSV(b.Bytes())
	if err != nil || len(rows) != 200_000 {
		t.Fatal(len(rows), err)
	}
}

func FuzzParseCSV(f *testing.F) {
	for _, s := range []string{
		"prefix,price\n44,0.012\n",
		"prefix,price,increments,destination\r\n+44,0.012,30/6/0,\"a \"\"b\"\", c\"\r\n49,1,60/60/0, x\r\n",
		"\xef\xbb\xbfPREFIX,price_first,price_next,blocked\n1,1,0,true\n",
		"prefix,price,destination\n1,1,\"a\r\r\nb\"\n",
		"prefix,price,destination\n1,1,\\.\n",
		"prefix,price,destination\n1,1,\xff\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := rating.ParseCSV(data)
		if err != nil {
			if events.CodeOf(err) != events.CodeInvalid || len(err.Error()) > 1000 {
				t.Fatalf("%d bytes: %v", len(err.Error()), err)
			}
			return
		}
		settled(t, rows)
	})
}
