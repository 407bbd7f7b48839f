package resolve

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

const maxWebhookSecret = 200

func (r *Resolver) webhook(it catalog.Item) *model.Webhook {
	w := it.Entity.GetWebhook()
	out := &model.Webhook{
		ID: model.ID(catalog.KindWebhook, w.Id), Key: w.Id, Name: w.Name, Disabled: w.Disabled,
		CompanyID: model.OptionalID(catalog.KindCompany, w.Company), Kinds: []model.EventKind{}, URL: w.Url,
		MailTo: append([]string{}, w.MailTo...), Language: w.Language, Version: it.Version,
	}
	for _, k := range w.Kinds {
		out.Kinds = append(out.Kinds, model.EventKind(strings.ToUpper(k)))
	}
	if p := r.webhookProgress(w.Id).Entity.GetWebhookProgress(); p != nil {
		cursor := PlaceCursor(events.Position(p.Position))
		out.Cursor, out.At, out.FailingSince = &cursor, instant(p.AtUs), instant(p.FailingSinceUs)
		out.Paused, out.Reason = p.Paused, p.Reason
	}
	return out
}

func (r *Resolver) webhookProgress(key string) catalog.Item {
	item, _ := r.Backend.Catalog().Get(catalog.Ref{Kind: catalog.KindWebhookProgress, ID: key})
	return item
}

func (r *Resolver) putWebhook(ctx context.Context, in model.WebhookPutInput) (*model.WebhookPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindWebhook, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			w := &wire.Webhook{Id: in.Key}
			if old := cat.Webhook(in.Key); old != nil {
				w = proto.CloneOf(old)
			}
			return catalog.EntityOf(w), r.fillWebhook(w, in)
		},
	})
	payload := &model.WebhookPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Webhook = r.webhook(out.item)
	}
	return payload, err
}

func (r *Resolver) fillWebhook(w *wire.Webhook, in model.WebhookPutInput) error {
	var f fields
	set(&w.Name, in.Name)
	set(&w.Disabled, in.Disabled)
	f.optionalLink("company", &w.Company, catalog.KindCompany, in.Company)
	if kinds, ok := in.Kinds.ValueOK(); ok {
		w.Kinds = nil
		for _, k := range kinds {
			w.Kinds = append(w.Kinds, strings.ToLower(string(k)))
		}
	}
	set(&w.Url, in.URL)
	replace(&w.MailTo, in.MailTo)
	set(&w.Language, in.Language)
	if s := value(in.Secret); s != nil && (len(*s) < catalog.MinWebhookSecret || len(*s) > maxWebhookSecret) {
		f.fail("secret", events.Invalid("a secret has %d to %d characters", catalog.MinWebhookSecret, maxWebhookSecret))
	} else if s != nil {
		f.secret("secret", &w.Secret, in.Secret, func(plain []byte) ([]byte, error) {
			return r.Backend.Wrap(catalog.Ref{Kind: catalog.KindWebhook, ID: in.Key}, plain)
		})
	}
	set(&w.Ca, in.Ca)
	return f.err
}

// resumeWebhook puts the progress of a webhook where it is to go on.
func (r *Resolver) resumeWebhook(ctx context.Context, in model.WebhookResumeInput) (*model.WebhookPutPayload, error) {
	after := or(in.After, "")
	out, err := r.edit(ctx, edit{
		ref: catalog.Ref{Kind: catalog.KindWebhookProgress, ID: in.Key},
		build: func(cat *catalog.State) (*wire.Entity, error) {
			if cat.Webhook(in.Key) == nil {
				return nil, events.NotFound("there is no webhook %s", in.Key)
			}
			item, ok := cat.Get(catalog.Ref{Kind: catalog.KindWebhookProgress, ID: in.Key})
			if !ok {
				return nil, events.Refuse(events.CodeConflict, "nothing of webhook %s was sent yet", in.Key)
			}
			p := proto.CloneOf(item.Entity.GetWebhookProgress())
			at, err := Place(after, events.Position(p.Position))
			if err != nil {
				return nil, err
			}
			p.Position, p.AtUs, p.FailingSinceUs, p.Paused, p.Reason = uint64(at), r.Now().UnixMicro(), 0, false, ""
			return catalog.EntityOf(p), nil
		},
	})
	payload := &model.WebhookPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if item, ok := r.Backend.Catalog().Get(catalog.Ref{Kind: catalog.KindWebhook, ID: in.Key}); ok {
		payload.Webhook = r.webhook(item)
	}
	return payload, err
}

// tryWithin bounds the trial of a webhook.
const tryWithin = 10 * time.Second

func (r *Resolver) tryWebhook(ctx context.Context, in model.WebhookTestInput) (*model.WebhookTestPayload, error) {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	err := r.Backend.TryWebhook(ctx, in.Key)
	mistakes, err := userErrors(err)
	return &model.WebhookTestPayload{Delivered: err == nil && len(mistakes) == 0, UserErrors: mistakes}, err
}
