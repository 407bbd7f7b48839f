package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/projections/mail"
	"github.com/tollbook/tollbook/projections/webhook"
)

// Webhooks says where this node may send events.
type Webhooks struct {
	// Allow are networks that events may be sent to although they are private, as 10.1.0.0/16.
	Allow []string `yaml:"allow"`
}

const (
	// hookTick is how often it is looked whether there are events to send.
	hookTick = 500 * time.Millisecond
	// notedEach is after how many positions of the book it is written down what was
	// delivered: what is behind may be sent twice when another node goes on.
	notedEach = 1000
	// hookPause to mostPause are between deliveries that fail, each twice the one before.
	hookPause = time.Second
	// mailEvery is how often people are told by e-mail at most.
	mailEvery = time.Minute
	// failingAfter is how long deliveries fail before that is written down, givenUpAfter
	// before the webhook is paused.
	failingAfter = time.Minute
	givenUpAfter = 24 * time.Hour
)

// notedEvery is after how long it is.
var notedEvery = 10 * time.Second

// sending is how this node stands with a webhook.
type sending struct {
	mu sync.Mutex // held by who works on the webhook
	sent
}

// sent is what a node knows of the deliveries of a webhook since it goes on with it.
type sent struct {
	// version is that of the progress that the rest goes on from.
	version events.Position
	at      events.Position // delivered, or passed over
	noted   events.Position // written down
	notedAt time.Time
	begun   bool      // something was delivered that is not written down
	failing time.Time // since when nothing is taken
	next    time.Time // of the next delivery, after one that failed
	pause   time.Duration
}

// goOn begins from a progress that this node has not written.
func (s *sending) goOn(p *wire.WebhookProgress, version events.Position, now time.Time) {
	at := events.Position(p.Position)
	s.sent = sent{version: version, at: at, noted: at, notedAt: now}
	if p.FailingSinceUs != 0 {
		s.failing = events.Instant(p.FailingSinceUs)
	}
}

// webhooks sends the book's events to the servers of all webhooks, where this node keeps
// the book.
func (n *Node) webhooks(ctx context.Context) error {
	return n.whileKeeping(ctx, hookTick, func(now time.Time) {
		for _, item := range n.Catalog().List(catalog.KindWebhook) {
			if w := item.Entity.GetWebhook(); !w.Disabled {
				n.dueWebhook(w, item.Version, now)
			}
		}
	})
}

// dueWebhook begins work on a webhook, unless it is under way: a slow server keeps nobody
// else waiting.
func (n *Node) dueWebhook(w *wire.Webhook, made events.Position, now time.Time) {
	known, _ := n.sendings.LoadOrStore(w.Id, new(sending))
	s := known.(*sending)
	n.unlessBusy(&s.mu, func() {
		p, version := n.webhookProgress(w.Id)
		switch {
		case p == nil:
			err := n.putEntity(n.ctx, catalog.EntityOf(&wire.WebhookProgress{Id: w.Id, Position: uint64(made), AtUs: now.UnixMicro()}), 0, "webhook "+w.Id+" begins")
			if err != nil {
				n.log.Warn("a webhook cannot begin; it is tried again", "webhook", w.Id, "err", err)
			}
			return
		case p.Paused:
			s.version = 0
			return
		case version != s.version: // another node went on, or somebody said where to
			s.goOn(p, version, now)
		}
		if now.Before(s.next) {
			return
		}
		err := n.sendEvents(n.ctx, w, s)
		if n.ctx.Err() == nil {
			n.afterSending(w, s, err)
		}
	})
}

func (n *Node) webhookProgress(id string) (*wire.WebhookProgress, events.Position) {
	item, _ := n.Catalog().Get(catalog.Ref{Kind: catalog.KindWebhookProgress, ID: id})
	return item.Entity.GetWebhookProgress(), item.Version
}

// sendEvents delivers what is behind s.at, until nothing is left.
func (n *Node) sendEvents(ctx context.Context, w *wire.Webhook, s *sending) error {
	if end, _ := n.AsOf(); s.at >= end {
		return nil // no reading of the feed while the book rests
	}
	deliver, err := n.deliverer(w)
	if err != nil {
		return err
	}
	kinds := []string(nil)
	for _, k := range w.Kinds {
		kinds = append(kinds, strings.ToUpper(k))
	}
	for n.terms.Keeps() {
		page, err := n.feed.Page(ctx, "webhook:"+w.Id, w.Company, kinds, s.at, webhook.MaxEvents)
		if err != nil {
			return err
		}
		for list, at := page.Events, page.Positions; len(list) > 0; {
			count, err := deliver(ctx, list, at)
			if err != nil {
				return err
			}
			s.at, s.begun = at[count-1], s.begun || page.Counts
			s.failing, s.pause = time.Time{}, 0
			list, at = list[count:], at[count:]
			if len(w.MailTo) > 0 {
				s.next = time.Now().Add(mailEvery)   // what comes meanwhile is told at once
				return n.noteWebhook(ctx, w, s, nil) // nobody is told twice because another node goes on
			}
		}
		s.at = max(s.at, page.End)
		if s.begun && s.at >= s.noted+notedEach {
			if err := n.noteWebhook(ctx, w, s, nil); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
	return nil
}

// afterSending writes down how far it came, from time to time, and how it failed.
func (n *Node) afterSending(w *wire.Webhook, s *sending, failed error) {
	now := time.Now()
	p, _ := n.webhookProgress(w.Id)
	if failed != nil {
		s.pause = min(max(2*s.pause, hookPause), mostPause)
		s.next = now.Add(s.pause)
		if s.failing.IsZero() {
			s.failing = now
			n.log.Warn("events could not be sent; it is tried again", "webhook", w.Id, "err", failed)
		}
		if gone := errors.Is(failed, webhook.ErrGone) || now.Sub(s.failing) >= givenUpAfter; !gone && (p.GetFailingSinceUs() != 0 || now.Sub(s.failing) < failingAfter) {
			return
		}
	} else if !s.begun && p.GetFailingSinceUs() == 0 || now.Sub(s.notedAt) < notedEvery {
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, hookWithin)
	defer cancel()
	if err := n.noteWebhook(ctx, w, s, failed); err != nil {
		n.log.Warn("it could not be written down how far a webhook has come", "webhook", w.Id, "err", err)
	}
}

// hookWithin bounds the writing down.
const hookWithin = 10 * time.Second

// noteWebhook writes down how far a webhook has come.
func (n *Node) noteWebhook(ctx context.Context, w *wire.Webhook, s *sending, failed error) error {
	now := time.Now()
	p := &wire.WebhookProgress{Id: w.Id, Position: uint64(s.at), AtUs: now.UnixMicro()}
	note := "webhook " + w.Id + " has come on"
	if failed != nil {
		text := failed.Error()
		p.FailingSinceUs, p.Reason = s.failing.UnixMicro(), strings.ToValidUTF8(text[:min(len(text), maxLateReason)], "?")
		p.Paused = errors.Is(failed, webhook.ErrGone) || now.Sub(s.failing) >= givenUpAfter
		note = "webhook " + w.Id + " fails"
		n.log.Error("events cannot be sent", "webhook", w.Id, "since", s.failing, "paused", p.Paused, "err", failed)
	}
	if err := n.putEntity(ctx, catalog.EntityOf(p), s.version, note); err != nil {
		return err
	}
	written, version := n.webhookProgress(w.Id)
	if !proto.Equal(written, p) {
		return nil // somebody said meanwhile where to go on
	}
	s.version, s.noted, s.notedAt, s.begun = version, s.at, now, false
	return nil
}

// failingWebhooks counts those whose server takes nothing.
func (n *Node) failingWebhooks() (count int) {
	for _, item := range n.Catalog().List(catalog.KindWebhook) {
		w := item.Entity.GetWebhook()
		if p, _ := n.webhookProgress(w.Id); !w.Disabled && (p.GetPaused() || p.GetFailingSinceUs() != 0) {
			count++
		}
	}
	return count
}

// deliverer is how events of a webhook are delivered: it takes some of those that are
// behind the last, tells how many, and is asked again for the rest.
func (n *Node) deliverer(w *wire.Webhook) (func(context.Context, []json.RawMessage, []events.Position) (int, error), error) {
	if len(w.MailTo) > 0 {
		return func(ctx context.Context, _ []json.RawMessage, at []events.Position) (int, error) {
			return len(at), n.mailEvents(ctx, w, at)
		}, nil
	}
	to, err := n.webhookTarget(w)
	return func(ctx context.Context, list []json.RawMessage, at []events.Position) (int, error) {
		count := webhook.Batch(list)
		d := webhook.Delivery{Webhook: w.Id, Events: list[:count], Delivery: fmt.Sprintf("%s-%d-%d", w.Id, at[0], at[count-1])}
		return count, to.Send(ctx, d, time.Now())
	}, err
}

// mailEvents tells people of events, in one message.
func (n *Node) mailEvents(ctx context.Context, w *wire.Webhook, at []events.Position) error {
	var list []events.Recorded
	for _, p := range at {
		told, err := n.Told(ctx, p-1, 1)
		if err != nil || len(told) != 1 {
			return fmt.Errorf("read the event at position %d: %w", p, errors.Join(err, events.Refuse(events.CodeUnavailable, "the book does not answer")))
		}
		list = append(list, told[0])
	}
	subject, text := mail.Told(w.Language, list, resolve.About)
	return n.settings.mail.Send(ctx, mail.Message{
		ID: fmt.Sprintf("%s-%d-%d", w.Id, at[0], at[len(at)-1]), To: w.MailTo, Subject: subject, Text: text, Date: time.Now(),
	})
}

// TryWebhook sends a delivery without events, once.
func (n *Node) TryWebhook(ctx context.Context, key string) error {
	w := n.Catalog().Webhook(key)
	if w == nil {
		return events.NotFound("there is no webhook %s", key)
	}
	if err := n.tryDelivery(ctx, w); err != nil {
		return events.Refuse(events.CodeUnavailable, "it was not delivered: %v", err)
	}
	return nil
}

func (n *Node) tryDelivery(ctx context.Context, w *wire.Webhook) error {
	if len(w.MailTo) > 0 {
		subject, text := mail.Trial(w.Language)
		now := time.Now()
		return n.settings.mail.Send(ctx, mail.Message{ID: fmt.Sprintf("%s-test-%d", w.Id, now.UnixNano()), To: w.MailTo, Subject: subject, Text: text, Date: now})
	}
	to, err := n.webhookTarget(w)
	if err != nil {
		return err
	}
	return to.Send(ctx, webhook.Delivery{Webhook: w.Id, Delivery: w.Id + "-test", Events: []json.RawMessage{}}, time.Now())
}

func (n *Node) webhookTarget(w *wire.Webhook) (webhook.Target, error) {
	secret, err := n.key.Unwrap(catalog.Ref{Kind: catalog.KindWebhook, ID: w.Id}.String(), w.Secret)
	if err != nil {
		return webhook.Target{}, err
	}
	return webhook.Target{Key: w.Id, URL: w.Url, CA: w.Ca, Secret: secret, Allow: n.settings.hookAllow}, nil
}

// networks reads a list of the configuration.
func networks(key string, list []string) (out []netip.Prefix, err error) {
	for i, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s[%d] %q is not a network such as 10.1.0.0/16", key, i, text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// parseReach reads which servers may be reached.
func (s *settings) parseReach(c Config) (err error) {
	if s.cdrDir, s.cdrAllow, err = c.CdrFiles.parse(c.Data); err != nil {
		return err
	}
	if s.hookAllow, err = networks("webhooks.allow", c.Webhooks.Allow); err != nil {
		return err
	}
	s.mail, err = mail.Open(c.Mail)
	return err
}
