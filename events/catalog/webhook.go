package catalog

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// FeedKinds are the kinds of events in the feed, as Event's fields are named.
const FeedKinds = `keeper_opened money_posted hold_placed hold_extended call_charged hold_released charge_contested route_advanced hold_claimed
alert_raised alert_cleared period_closed offline_written_up store_rescued change_set_accepted`

// MinWebhookSecret is how many characters sign at least.
const MinWebhookSecret = 16

const (
	// maxWebhooks bounds the webhooks, each of which reads the book by itself.
	maxWebhooks      = 50
	maxWebhookSecret = 256 // wrapped
	maxWebhookReason = 300
	maxMailTo        = 20
)

// Webhook finds a webhook by its id.
func (s *State) Webhook(id string) *wire.Webhook { return s.items[KindWebhook][id].Entity.GetWebhook() }

func validateWebhook(w *wire.Webhook) error {
	known := strings.Fields(FeedKinds)
	for i, k := range w.Kinds {
		switch {
		case !slices.Contains(known, k):
			return events.Invalid("kinds.%d: %q is no kind of event, such as call_charged or money_posted", i, k)
		case slices.Contains(w.Kinds[:i], k):
			return events.Invalid("kinds.%d: %s stands twice", i, k)
		}
	}
	if len(w.MailTo) > 0 {
		return validateMail(w)
	}
	switch {
	case w.Language != "":
		return events.Invalid("language: a server gets no words; it is for e-mail")
	case w.Url == "":
		return events.Invalid("events go either to a url or to people (mail_to): name one of them")
	case len(w.Url) > maxCdrPlace || !cdrURL.MatchString(w.Url):
		return events.Invalid("url: %q is not an address such as https://erp.example.net/tollbook, without user, query or fragment", w.Url)
	case len(w.Secret) == 0:
		return events.Invalid("secret: what is sent must be signed: give a secret of at least %d characters", MinWebhookSecret)
	case len(w.Secret) > maxWebhookSecret:
		return events.Invalid("secret: it is longer than 200 characters")
	}
	if err := checkCA(w.Ca); err != nil {
		return err
	}
	return checkName(w.Name)
}

// mailAddress is an address that needs no quoting (RFC 5321, 4.1.2, dot-string).
var mailAddress = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$")

func validateMail(w *wire.Webhook) error {
	if len(w.MailTo) > maxMailTo {
		return events.Invalid("mail_to: %d addresses are more than %d", len(w.MailTo), maxMailTo)
	}
	for i, a := range w.MailTo {
		switch {
		case len(a) > 254 || !mailAddress.MatchString(a):
			return events.Invalid("mail_to.%d: %.80q is not an address such as noc@example.net", i, a)
		case slices.Contains(w.MailTo[:i], a):
			return events.Invalid("mail_to.%d: %s stands twice", i, a)
		}
	}
	switch {
	case w.Url != "" || len(w.Secret) > 0 || w.Ca != "":
		return events.Invalid("mail_to: url, secret and ca are of a server; name either")
	case len(w.Kinds) == 0:
		return events.Invalid("kinds: say what people are told of, such as alert_raised; all would be too much")
	case w.Language != "" && w.Language != "en" && w.Language != "ru":
		return events.Invalid("language: %.20q is none of en and ru", w.Language)
	}
	return checkName(w.Name)
}

func validateWebhookProgress(p *wire.WebhookProgress) error {
	switch {
	case p.AtUs <= 0:
		return events.Invalid("at_us: the time of a progress is missing")
	case len(p.Reason) > maxWebhookReason:
		return events.Invalid("reason: %d bytes are more than %d", len(p.Reason), maxWebhookReason)
	}
	return nil
}

// checkWebhook looks at a webhook beside the rest of the state after an edit.
func (s *State) checkWebhook() *events.Error {
	if n := s.Len(KindWebhook); n > maxWebhooks {
		return events.Invalid("there would be %d webhooks; at most %d are allowed", n, maxWebhooks)
	}
	return nil
}
