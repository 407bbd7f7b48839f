package traffic

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run lets a customer call a vendor directly and returns the counts of both
// when all calls are over.
func run(t *testing.T, v VendorConfig, c CustomerConfig, until func(customer, vendor Counts) bool) (customer, vendor Counts) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	v.Addr, c.Addr = netip.MustParseAddrPort("127.0.0.21:0"), netip.MustParseAddrPort("127.0.0.11:0")
	taking, err := NewVendor(v)
	if err != nil {
		t.Fatal(err)
	}
	c.Switch = taking.Addr()
	c.Called = []Numbers{{Prefix: "+4930", Length: 13, Weight: 3}, {Prefix: "+31", Length: 12}}
	c.Callers = []Numbers{{Prefix: "+49891", Length: 12}}
	placing, err := NewCustomer(c)
	if err != nil {
		t.Fatal(err)
	}
	vendorEnd, customerEnd := make(chan error, 1), make(chan error, 1)
	vendorCtx, vendorCancel := context.WithCancel(ctx)
	go func() { vendorEnd <- taking.Run(vendorCtx) }()
	customerCtx, customerCancel := context.WithCancel(ctx)
	go func() { customerEnd <- placing.Run(customerCtx) }()
	for until != nil && !until(placing.Counts(), taking.Counts()) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if until != nil {
		customerCancel()
	}
	if err := <-customerEnd; err != nil {
		t.Error(err)
	}
	for taking.Counts().Active > 0 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error("the calls did not end in time")
	}
	customerCancel()
	vendorCancel()
	if err := <-vendorEnd; err != nil {
		t.Error(err)
	}
	return placing.Counts(), taking.Counts()
}

func TestAnsweredCallsCarryAudioBothWays(t *testing.T) {
	customer, vendor := run(t,
		VendorConfig{Mix: []Share{{1, Answer(time.Millisecond, 5*time.Millisecond)}, {1, Behaviour{Early: true, Ring: 20 * time.Millisecond, Code: 200}}}},
		CustomerConfig{Total: 10, MeanDuration: 200 * time.Millisecond, MinDuration: 100 * time.Millisecond}, nil)
	if customer.Answered != 10 || customer.Completed != 10 || vendor.Answered != 10 || vendor.CutOff != 10 {
		t.Errorf("customer %+v\nvendor %+v", customer, vendor)
	}
	for _, c := range []Counts{customer, vendor} {
		if c.PacketsSent < 10 || c.PacketsReceived < 10 || c.Active != 0 {
			t.Errorf("%+v", c)
		}
	}
}

func TestRefusals(t *testing.T) {
	customer, vendor := run(t,
		VendorConfig{Rules: []Rule{{"+4930", Refuse(0, 486)}, {"+31", Refuse(time.Millisecond, 503)}}},
		CustomerConfig{Total: 12, Seed: 1, Silent: true}, nil)
	if customer.Failed[486]+customer.Failed[503] != 12 || customer.Failed[486] == 0 || customer.Failed[503] == 0 || customer.Answered != 0 {
		t.Errorf("customer %+v", customer)
	}
	if diff := cmp.Diff(customer.Failed, vendor.Failed); diff != "" {
		t.Error(diff)
	}
}

func TestCallerGivesUp(t *testing.T) {
	customer, vendor := run(t,
		VendorConfig{Mix: []Share{{1, NoAnswer(0)}}},
		CustomerConfig{Total: 5, CancelPercent: 100, CancelWithin: 50 * time.Millisecond}, nil)
	if customer.Cancelled != 5 || vendor.Cancelled != 5 {
		t.Errorf("customer %+v\nvendor %+v", customer, vendor)
	}
}

// The caller gives up at the moment of the answer: whoever wins, both sides
// agree that no call is left and the vendor is not left without an ACK.
func TestCancelCrossesAnswer(t *testing.T) {
	customer, vendor := run(t,
		VendorConfig{Mix: []Share{{1, Answer(0, 20*time.Millisecond)}}},
		CustomerConfig{Total: 40, CancelPercent: 100, CancelWithin: 40 * time.Millisecond, MeanDuration: time.Millisecond}, nil)
	if customer.Answered+customer.Cancelled != 40 || vendor.Answered+vendor.Cancelled != 40 || vendor.Failed[408] != 0 {
		t.Errorf("customer %+v\nvendor %+v", customer, vendor)
	}
}

func TestVendorHangsUpFirst(t *testing.T) {
	b := Answer(0, 0)
	b.HangUpAfter = 50 * time.Millisecond
	customer, vendor := run(t, VendorConfig{Mix: []Share{{1, b}}},
		CustomerConfig{Total: 3, MinDuration: time.Minute, MaxDuration: time.Minute}, nil)
	if customer.CutOff != 3 || vendor.Completed != 3 {
		t.Errorf("customer %+v\nvendor %+v", customer, vendor)
	}
}

// When the context ends, calls that are up get their BYE and ringing ones
// their CANCEL.
func TestContextEndsCalls(t *testing.T) {
	customer, vendor := run(t,
		VendorConfig{Rules: []Rule{{"+31", NoAnswer(0)}}, Mix: []Share{{1, Answer(0, 0)}}},
		CustomerConfig{Total: 8, Seed: 1, MinDuration: time.Minute, MaxDuration: time.Minute},
		func(customer, vendor Counts) bool {
			return customer.Attempts == 8 && vendor.Attempts == 8 && customer.Answered == vendor.Answered && customer.Answered > 0
		})
	if customer.Answered == 0 || customer.Completed != customer.Answered || customer.Answered+customer.Cancelled != 8 {
		t.Errorf("customer %+v", customer)
	}
	// An answer may cross a CANCEL: then the vendor was up and got a BYE.
	if vendor.CutOff+vendor.Cancelled != 8 || vendor.CutOff < customer.Completed || vendor.Active != 0 {
		t.Errorf("vendor %+v", vendor)
	}
}

// A customer with a password answers a challenge, once.
func TestDigest(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	gate, err := newAgent(netip.MustParseAddrPort("127.0.0.21:0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	first := true
	gate.on(sip.INVITE, func(req *sip.Request, tx sip.ServerTransaction) {
		h := req.GetHeader("Authorization")
		if h == nil != first || !first && !strings.Contains(h.Value(), `username="acme"`) {
			t.Errorf("first %v, Authorization %v", first, h)
		}
		res := sip.NewResponseFromRequest(req, 404, "Not Found", nil)
		if first {
			res = sip.NewResponseFromRequest(req, 401, "Unauthorized", nil)
			res.AppendHeader(sip.NewHeader("WWW-Authenticate", `Digest realm="tollbook", nonce="n", algorithm=MD5, qop="auth"`))
		}
		first = false
		gate.send(tx, res)
	})
	if err := gate.serve(ctx); err != nil {
		t.Fatal(err)
	}
	defer gate.close()
	c, err := NewCustomer(CustomerConfig{
		Addr: netip.MustParseAddrPort("127.0.0.11:0"), Switch: gate.addr, Total: 1, Username: "acme", Password: "secret",
		Called: []Numbers{{Prefix: "1"}}, Callers: []Numbers{{Prefix: "2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := c.Counts(); n.Failed[404] != 1 {
		t.Errorf("%+v", n)
	}
}

func TestSeedsMakePlansReproducible(t *testing.T) {
	c := CustomerConfig{
		Switch: netip.MustParseAddrPort("127.0.0.1:5060"), Seed: 7, Every: time.Second, MeanDuration: time.Minute,
		MinDuration: time.Second, CancelPercent: 20, CancelWithin: time.Second,
		Called:  []Numbers{{Prefix: "+4930", Length: 13, Weight: 9}, {Prefix: "+31", Length: 12}},
		Callers: []Numbers{{Prefix: "+1", Length: 12}},
	}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	first, second := newPlanner(c), newPlanner(c)
	c.Seed = 8
	other, same := newPlanner(c), true
	for range 100 {
		a, b := first.next(), second.next()
		if a != b {
			t.Fatalf("%+v is not %+v", a, b)
		}
		if a.Duration < c.MinDuration || a.Duration > c.MaxDuration || len(a.Caller) != 12 {
			t.Errorf("%+v", a)
		}
		same = same && a == other.next()
	}
	if same {
		t.Error("another seed gives the same plans")
	}
}
