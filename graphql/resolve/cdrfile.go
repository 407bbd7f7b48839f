package resolve

import (
	"context"
	"encoding/hex"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

const cdrFormatPrefix = "CDR_FORMAT_"

func (r *Resolver) cdrProfile(it catalog.Item) *model.CdrProfile {
	p := it.Entity.GetCdrProfile()
	out := &model.CdrProfile{
		ID: model.ID(catalog.KindCdrProfile, p.Id), Key: p.Id, Name: p.Name, Disabled: p.Disabled,
		CompanyID: model.OptionalID(catalog.KindCompany, p.Company), AccountID: model.OptionalID(catalog.KindAccount, p.Account),
		From: events.Instant(p.FromUs), IntervalSeconds: int(p.IntervalS), OffsetSeconds: int(p.OffsetS),
		Format:  model.CdrFileFormat(strings.TrimPrefix(p.Format.String(), cdrFormatPrefix)),
		Columns: append([]string{}, p.Columns...), Directory: p.Directory, URL: p.Url, HostKey: p.HostKey, Version: it.Version,
	}
	last, _ := r.Backend.Catalog().Get(catalog.Ref{Kind: catalog.KindCdrProgress, ID: p.Id})
	if f := last.Entity.GetCdrProgress(); f != nil {
		out.Last = &model.CdrFile{
			Number: int(f.Number), Rows: int(f.Count), CutAt: events.Instant(f.CutUs), DeliveredAt: instant(f.DeliveredUs),
			Sha256: hex.EncodeToString(f.Sha256),
		}
	}
	return out
}

func (r *Resolver) putCdrProfile(ctx context.Context, in model.CdrProfilePutInput) (*model.CdrProfilePutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindCdrProfile, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			p := &wire.CdrProfile{Id: in.Key}
			if old := cat.CdrProfile(in.Key); old != nil {
				p = proto.CloneOf(old)
			}
			return catalog.EntityOf(p), r.fillCdrProfile(p, in)
		},
	})
	payload := &model.CdrProfilePutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.CdrProfile = r.cdrProfile(out.item)
	}
	return payload, err
}

func (r *Resolver) fillCdrProfile(p *wire.CdrProfile, in model.CdrProfilePutInput) error {
	var f fields
	set(&p.Name, in.Name)
	set(&p.Disabled, in.Disabled)
	f.optionalLink("company", &p.Company, catalog.KindCompany, in.Company)
	f.optionalLink("account", &p.Account, catalog.KindAccount, in.Account)
	if from := value(in.From); from != nil {
		p.FromUs = from.UnixMicro()
	}
	f.count("intervalSeconds", &p.IntervalS, in.IntervalSeconds)
	f.count("offsetSeconds", &p.OffsetS, in.OffsetSeconds)
	if format := value(in.Format); format != nil {
		p.Format = wire.CdrFormat(wire.CdrFormat_value[cdrFormatPrefix+string(*format)])
	}
	replace(&p.Columns, in.Columns)
	set(&p.Directory, in.Directory)
	url, key := p.Url, p.HostKey
	set(&p.Url, in.URL)
	set(&p.HostKey, in.HostKey)
	if (p.Url != url || p.HostKey != key) && !in.Token.IsSet() {
		p.Secret = nil // a token is not sent to another place than it was given for
	}
	f.secret("token", &p.Secret, in.Token, func(plain []byte) ([]byte, error) {
		return r.Backend.Wrap(catalog.Ref{Kind: catalog.KindCdrProfile, ID: in.Key}, plain)
	})
	set(&p.Ca, in.Ca)
	return f.err
}

func (r *Resolver) writeCdrFiles(ctx context.Context, in model.CdrFilesWriteInput) (*model.CdrFilesWritePayload, error) {
	files, err := r.Backend.WriteCdrFiles(ctx, in.Key)
	mistakes, err := userErrors(err)
	return &model.CdrFilesWritePayload{Files: files, UserErrors: mistakes}, err
}
