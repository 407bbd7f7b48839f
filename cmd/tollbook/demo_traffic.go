package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tollbook/tollbook/cmd/tollbook/traffic"
	"github.com/tollbook/tollbook/deploy"
	"github.com/tollbook/tollbook/events"
)

// topUpEvery is when the calling card's holder pays again.
const topUpEvery = 45 * time.Second

// demoSwitch is what the demo's traffic goes through: a node, or several.
type demoSwitch interface {
	Credit(ctx context.Context, account, amount, reason string, key events.Key) error
	// Settle waits until the calls that have ended are charged.
	Settle(ctx context.Context)
	Failed() <-chan error
}

// traffic starts the demo's customers and vendors and returns when ctx has ended
// and their calls are over. Without traffic it returns at once.
func (o demoOptions) traffic(ctx context.Context, n demoSwitch) error {
	if o.noTraffic {
		return nil
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	vendors, err := o.vendors(quiet)
	if err != nil {
		return err
	}
	customers, err := o.customers(quiet)
	if err != nil {
		return err
	}
	// Vendors outlive the customers, so that the last calls end in good order.
	vendorCtx, stopVendors := context.WithCancel(context.WithoutCancel(ctx))
	defer stopVendors()
	var ending, serving sync.WaitGroup
	failed := make(chan error, len(vendors)+len(customers))
	for _, v := range vendors {
		serving.Go(func() { report(failed, v.Run(vendorCtx)) })
	}
	for _, cu := range customers {
		ending.Go(func() { report(failed, cu.Run(ctx)) })
	}
	ending.Go(func() { topUp(ctx, n) })
	select {
	case <-ctx.Done():
	case err = <-failed:
	case err = <-n.Failed():
	}
	ending.Wait()
	n.Settle(context.WithoutCancel(ctx))
	stopVendors()
	serving.Wait()
	return err
}

func report(to chan<- error, err error) {
	if err != nil {
		to <- err
	}
}

// topUp pays for the calling card now and then, so that its holder talks again.
func topUp(ctx context.Context, n demoSwitch) {
	tick := time.NewTicker(topUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			key := events.KeyOf("demo", "top-up", at.String())
			if err := n.Credit(ctx, "callcard-usd", "0.20", "top-up", key); err != nil {
				return // the node is closing
			}
		}
	}
}

func (o demoOptions) vendors(log *slog.Logger) ([]*traffic.Vendor, error) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	share := func(weight int, b traffic.Behaviour) traffic.Share {
		return traffic.Share{Weight: weight, Behaviour: b}
	}
	mixes := map[byte][]traffic.Share{
		21: {share(60, traffic.Answer(ms(300), ms(900))), share(25, traffic.Refuse(ms(200), 503)), share(10, traffic.Refuse(ms(400), 486)), share(5, traffic.Refuse(ms(150), 404))},
		22: {share(85, traffic.Answer(ms(450), ms(1200))), share(10, traffic.Refuse(ms(500), 486)), share(5, traffic.Refuse(ms(250), 480))},
		23: {share(70, traffic.Behaviour{PDD: ms(500), Early: true, Ring: ms(1500), Code: 200}), share(30, traffic.Refuse(ms(300), 503))},
		24: {share(70, traffic.Answer(ms(250), ms(800))), share(20, traffic.Refuse(ms(200), 503)), share(10, traffic.Behaviour{PDD: ms(200), Ring: ms(700), Code: 200, HangUpAfter: 5 * time.Second})},
		25: {share(90, traffic.Answer(ms(350), ms(900))), share(10, traffic.NoAnswer(ms(300)))},
	}
	var out []*traffic.Vendor
	for last := byte(21); last <= 25; last++ {
		addr, err := addressOf(last, o.sip)
		if err != nil {
			return nil, err
		}
		v, err := traffic.NewVendor(traffic.VendorConfig{Addr: addr, Mix: mixes[last], Seed: uint64(last), Log: log})
		if err != nil {
			return nil, fmt.Errorf("start a demo vendor: %w", err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (o demoOptions) customers(log *slog.Logger) ([]*traffic.Customer, error) {
	sw, err := netip.ParseAddrPort(o.sip)
	if err != nil {
		return nil, err
	}
	called := []traffic.Numbers{
		{Prefix: "+1212", Length: 12, Weight: 3}, {Prefix: "+1415", Length: 12, Weight: 2}, {Prefix: "+4420", Length: 13, Weight: 4},
		{Prefix: "+447", Length: 13, Weight: 3}, {Prefix: "+4930", Length: 12, Weight: 2}, {Prefix: "+4917", Length: 13, Weight: 2},
		{Prefix: "+331", Length: 12, Weight: 2}, {Prefix: "+5511", Length: 14, Weight: 1}, {Prefix: "+8610", Length: 13, Weight: 1},
		{Prefix: "+999", Length: 12, Weight: 1},
	}
	europe := []traffic.Numbers{
		{Prefix: "+4930", Length: 12, Weight: 3}, {Prefix: "+3712", Length: 12, Weight: 2}, {Prefix: "+467", Length: 12, Weight: 2},
		{Prefix: "+417", Length: 12, Weight: 1}, {Prefix: "+358", Length: 12, Weight: 1},
	}
	card := []traffic.Numbers{{Prefix: "+4420", Length: 13, Weight: 1}, {Prefix: "+1212", Length: 12, Weight: 1}}
	base := traffic.CustomerConfig{
		Switch: sw, Callers: []traffic.Numbers{{Prefix: "+1646", Length: 12}, {Prefix: "+3716", Length: 12}},
		MeanDuration: 8 * time.Second, MinDuration: time.Second, MaxDuration: 40 * time.Second,
		CancelPercent: 4, CancelWithin: 2 * time.Second, Log: log,
	}
	every := func(share float64) time.Duration { return time.Duration(float64(time.Second) / (o.rate * share)) }
	var out []*traffic.Customer
	for last, edit := range map[byte]func(*traffic.CustomerConfig){
		11: func(c *traffic.CustomerConfig) { c.Called, c.Every, c.MaxCalls = called, every(0.6), 2000 },
		12: func(c *traffic.CustomerConfig) { c.Called, c.Every, c.MaxCalls = europe, every(0.3), 1000 },
		13: func(c *traffic.CustomerConfig) {
			// One long call after the other, on little money.
			c.Called, c.Every, c.MaxCalls = card, every(0.1), 1
			c.MeanDuration, c.MinDuration, c.CancelPercent = 40*time.Second, 30*time.Second, 0
		},
	} {
		cfg := base
		cfg.Seed = uint64(last)
		edit(&cfg)
		if cfg.Addr, err = addressOf(last, o.sip); err != nil {
			return nil, err
		}
		c, err := traffic.NewCustomer(cfg)
		if err != nil {
			return nil, fmt.Errorf("start a demo customer: %w", err)
		}
		out = append(out, c)
	}
	return out, nil
}

func subExamples() (fs.FS, error) { return fs.Sub(deploy.Examples, "examples") }

// withPort sets the port of all terminators to that of the switch's address.
func withPort(doc []byte, sip string) ([]byte, error) {
	at, err := addressOf(1, sip)
	if err != nil {
		return nil, err
	}
	var world map[string]any
	if err := yaml.Unmarshal(doc, &world); err != nil {
		return nil, err
	}
	list, _ := world["terminators"].([]any)
	for _, t := range list {
		if m, ok := t.(map[string]any); ok {
			m["port"] = int(at.Port())
		}
	}
	return yaml.Marshal(world)
}

// demoLogger keeps the screen free for what matters.
func demoLogger(c *console) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
