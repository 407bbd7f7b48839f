package world

import (
	"fmt"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// webhook says which events are sent to a server.
type webhook struct {
	ID       string `yaml:"id"`
	Name     string `yaml:"name"`
	Disabled bool   `yaml:"disabled"`
	// Company leaves the events that it may see itself.
	Company string `yaml:"company"`
	// Kinds are those of events, as call_charged; none is all.
	Kinds []string `yaml:"kinds"`
	URL   string   `yaml:"url"`
	// Secret signs what is sent. Left out, it stays.
	Secret string `yaml:"secret"`
	CA     string `yaml:"ca"`
	// MailTo are addresses that the events are told to instead, Language is en or ru.
	MailTo   []string `yaml:"mail_to"`
	Language string   `yaml:"language"`
}

func (e *edit) webhook(w webhook) error {
	out := &wire.Webhook{Id: w.ID, Name: w.Name, Disabled: w.Disabled, Company: w.Company, Kinds: w.Kinds, Url: w.URL, Ca: w.CA, MailTo: w.MailTo, Language: w.Language}
	if w.Secret != "" && len(w.Secret) < catalog.MinWebhookSecret {
		return events.Invalid("secret: give at least %d characters", catalog.MinWebhookSecret)
	}
	if len(w.MailTo) > 0 && w.Secret == "" {
		e.put(out)
		return nil
	}
	var err error
	if out.Secret, err = e.secret("webhook "+w.ID, e.cat.Webhook(w.ID).GetSecret(), w.Secret); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	e.put(out)
	return nil
}
