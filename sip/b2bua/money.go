package b2bua

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// holdWithin is how long a caller waits for the book before a 503.
	holdWithin = 2 * time.Second
	// askWithin bounds one question to the book, askAgain the wait between two.
	askWithin = 3 * time.Second
	askAgain  = 2 * time.Second

	causeStale = "stale"
)

// command makes a command about the call; the words make its key.
func (c *session) command(words ...string) *wire.Command {
	if c.life != "" {
		words = append(words, "after "+c.life)
	}
	key := events.KeyOf(append([]string{c.id.String()}, words...)...)
	return &wire.Command{Key: key[:], Actor: "node:" + c.sw.config.Node, Node: c.sw.config.Node}
}

// hold asks the book to let the call through, and makes the machine; nil means
// that it did.
func (c *session) hold(world *routing.World, setup time.Duration) *refused {
	cmd := c.command("hold")
	cmd.DeadlineUs = time.Now().Add(holdWithin).UnixMicro()
	place := &wire.PlaceHold{
		Call: c.id[:], CatalogPosition: uint64(world.Position),
		SetupMs: setup.Milliseconds(), MaxMs: c.longest(world).Milliseconds(),
		Emergency: c.decision.Emergency,
	}
	line := &wire.HoldLine{Leg: 0, Originator: c.origin.Id, LimitPrefixes: c.decision.LimitPrefixes}
	if c.decision.Sell != nil { // an emergency call may have no price
		line.Payer, line.Sell, line.Package = c.origin.Account, c.decision.Sell, c.decision.Package
	}
	place.Lines = []*wire.HoldLine{line}
	if o := c.decision.Owner; o != nil {
		place.Lines = append(place.Lines, &wire.HoldLine{Leg: 1, Did: o.Did.Number, Payer: o.Did.Account, Sell: o.Sell})
	}
	for _, p := range c.plans {
		place.Route = append(place.Route, p.Candidate)
	}
	cmd.Body = &wire.Command_PlaceHold{PlaceHold: place}
	ctx, cancel := context.WithTimeout(c.sw.ctx, holdWithin)
	defer cancel()
	reply, err := c.sw.config.Book.Execute(ctx, cmd)
	if err != nil {
		return c.noHold(err)
	}
	c.money = true
	c.granted = int(reply.GetHoldGranted().Candidate)
	paid := time.Duration(reply.GetHoldGranted().PaidMs) * time.Millisecond
	c.machine = call.New(c.id, c.plans, paid, nil)
	c.machine.HuntBy(world.Hunt(c.origin).Stops)
	if sub := world.Catalog.SubscriberOf(c.plans[0].Candidate.Terminator); sub != nil {
		c.machine.HuntBy(c.stops(sub))
		if c.granted > 0 {
			c.devicesSaid = 486 // his channels were taken meanwhile
		}
	}
	return nil
}

// noHold turns the book's no into the caller's answer (402, 403, 404 or 503).
func (c *session) noHold(err error) *refused {
	switch code := events.CodeOf(err); code {
	case events.CodeStale:
		return &refused{503, "Service Unavailable", causeStale}
	case events.CodeInsufficientFunds:
		return &refused{402, "Payment Required", "no_money"}
	case events.CodeLimit:
		var at *events.Error
		full := errors.As(err, &at) && at.Path == "route"
		if full && c.sw.config.World().Catalog.SubscriberOf(c.plans[0].Candidate.Terminator) != nil {
			return &refused{486, "Busy Here", string(routing.Busy)}
		}
		return &refused{503, "Limit Reached", "limit"}
	case events.CodeForbidden:
		return &refused{403, "Forbidden", "forbidden"}
	case events.CodeUnavailable, events.CodeExpired:
		// It may have been let through all the same: take it back.
		c.settle("release after silence", c.releaseCommand("no answer"))
		return &refused{503, "Service Unavailable", call.CauseBookSilent}
	default:
		c.log.Error("the book refused a hold that should be in order", "err", err)
		return &refused{500, "Server Internal Error", "internal"}
	}
}

// advance asks for leave to try a vendor. The answer is posted to the call.
func (c *session) advance(candidate int) {
	cmd := c.command("advance", strconv.Itoa(candidate))
	cmd.Body = &wire.Command_AdvanceRoute{AdvanceRoute: &wire.AdvanceRoute{Call: c.id[:], Candidate: uint32(candidate)}}
	c.consult(cmd, holdWithin, func(now call.Now, granted *wire.HoldGranted, err error) {
		switch {
		case events.CodeOf(err) == events.CodeInvalid: // a keeper of an older version counts no vendor's channels
			c.do(c.machine.Advanced(now, candidate))
		case err != nil:
			c.log.Warn("the book gives no leave to try another vendor", "candidate", candidate, "err", err)
			c.do(c.machine.NotAdvanced(now))
		default:
			c.do(c.machine.Advanced(now, int(granted.GetCandidate())))
		}
	})
}

// consult asks the book about the call's hold, which has so long to answer; what it says is
// posted to the call.
func (c *session) consult(cmd *wire.Command, within time.Duration, heard func(call.Now, *wire.HoldGranted, error)) {
	cmd.DeadlineUs = time.Now().Add(within).UnixMicro()
	go func() {
		ctx, cancel := context.WithTimeout(c.sw.ctx, within)
		defer cancel()
		reply, err := c.sw.config.Book.Execute(ctx, cmd)
		c.post(func(now call.Now) { heard(now, reply.GetHoldGranted(), err) })
	}()
}

// extend asks for more paid time. The answer is posted to the call.
func (c *session) extend(paid time.Duration) {
	answered, _ := c.machine.Answered()
	cmd := c.command("extend", paid.String(), time.Now().String())
	cmd.Body = &wire.Command_ExtendHold{ExtendHold: &wire.ExtendHold{
		Call: c.id[:], AnsweredAtUs: answered.US, PaidMs: paid.Milliseconds(),
	}}
	c.consult(cmd, askWithin, func(now call.Now, granted *wire.HoldGranted, err error) {
		if err != nil {
			c.do(c.machine.NotExtended(now))
			return
		}
		c.do(c.machine.Extended(now, time.Duration(granted.GetPaidMs())*time.Millisecond))
	})
}

func (c *session) charge(ch *wire.ChargeCall) {
	if c.attemptsCost(ch.Candidate) {
		ch.Attempts = uint32(c.tried)
	}
	cmd := c.command("charge")
	cmd.Body = &wire.Command_ChargeCall{ChargeCall: ch}
	c.settle("charge", cmd)
}

// attemptsCost tells whether a vendor who was tried, other than the one who
// answered, takes a fee for it.
func (c *session) attemptsCost(answered uint32) bool {
	for i, p := range c.plans[:min(c.tried, len(c.plans))] {
		if uint32(i) != answered && !p.Passed && p.Candidate.GetBuy().GetAttemptFeeMicro() > 0 {
			return true
		}
	}
	return false
}

// nobody is no candidate's index.
const nobody = 1<<32 - 1

func (c *session) releaseCommand(reason string) *wire.Command {
	cmd := c.command("release")
	cmd.Body = &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: c.id[:], Reason: reason}}
	return cmd
}

func (c *session) release(reason string) {
	if !c.money {
		return
	}
	fee := c.decision.Sell.GetAttemptFeeMicro() > 0 || c.attemptsCost(nobody)
	if c.tried > 0 && fee {
		cmd := c.command("charge")
		cmd.Body = &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
			Call: c.id[:], Unanswered: true, Attempts: uint32(c.tried), EndedAtUs: time.Now().UnixMicro(),
		}}
		c.settle("charge for attempts", cmd)
		return
	}
	c.settle("release", c.releaseCommand(reason))
}

// settle repeats a command until the book has answered it. What a shutdown cuts
// short, the next start does.
func (c *session) settle(what string, cmd *wire.Command) {
	s := c.sw
	if c.dropped {
		return
	}
	s.work.Add(1)
	s.owe(c.id, 1)
	go func() {
		defer s.work.Done()
		defer s.owe(c.id, -1)
		if !c.owns() {
			return
		}
		for {
			ctx, cancel := context.WithTimeout(s.ctx, askWithin)
			_, err := s.config.Book.Execute(ctx, cmd)
			cancel()
			switch code := events.CodeOf(err); {
			case err == nil:
				return
			case code == events.CodeConflict:
				c.log.Warn("the call was another node's", "what", what, "err", err)
				return
			case code != events.CodeUnavailable:
				c.log.Error("the book refused to close a call", "what", what, "err", err)
				return
			}
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(askAgain):
			}
		}
	}()
}

// owns waits until the book has answered the claim, if the call was taken over.
func (c *session) owns() bool {
	if c.claimed != nil {
		<-c.claimed
	}
	return !c.lostClaim.Load()
}
