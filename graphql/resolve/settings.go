package resolve

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

var settingsRef = catalog.Ref{Kind: catalog.KindSettings, ID: "settings"}

func settings(s *wire.Settings, version events.Position) *model.Settings {
	out := &model.Settings{
		BaseCurrency: s.BaseCurrency, MaxDuration: time.Duration(s.MaxDurationS) * time.Second, HuntStopCodes: []int{},
		EmergencyNumbers: append([]string{}, s.EmergencyNumbers...), EmergencyPrefixes: append([]string{}, s.EmergencyPrefixes...),
		DigestAlgorithms: append([]string{}, s.DigestAlgorithms...), Realm: digest.RealmOf(s), Version: version,
		RemovedNodes: append([]string{}, s.RemovedNodes...), APIPointsPerMinute: int(s.ApiPointsPerMinute),
		APIPersistedOnly: s.ApiPersistedOnly, SecondFactorRoles: each(s.SecondFactorRoles, model.RoleOf),
	}
	for _, c := range s.HuntStopCodes {
		out.HuntStopCodes = append(out.HuntStopCodes, int(c))
	}
	return out
}

func (r *Resolver) putSettings(ctx context.Context, in model.SettingsPutInput) (*model.SettingsPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref: settingsRef, expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			s := proto.CloneOf(cat.Settings())
			var f fields
			set(&s.BaseCurrency, in.BaseCurrency)
			f.duration("maxDuration", &s.MaxDurationS, in.MaxDuration, time.Second)
			if codes, set := in.HuntStopCodes.ValueOK(); set {
				s.HuntStopCodes = nil
				for _, c := range codes {
					s.HuntStopCodes = append(s.HuntStopCodes, uint32(min(max(c, 0), 1000))) // the catalog refuses what is no code
				}
			}
			if numbers, set := in.EmergencyNumbers.ValueOK(); set {
				s.EmergencyNumbers = numbers
			}
			if prefixes, set := in.EmergencyPrefixes.ValueOK(); set {
				s.EmergencyPrefixes = prefixes
			}
			replace(&s.DigestAlgorithms, in.DigestAlgorithms)
			replace(&s.RemovedNodes, in.RemovedNodes)
			set(&s.ApiPersistedOnly, in.APIPersistedOnly)
			if roles, set := in.SecondFactorRoles.ValueOK(); set {
				s.SecondFactorRoles = each(roles, model.Role.Wire)
			}
			f.count("apiPointsPerMinute", &s.ApiPointsPerMinute, in.APIPointsPerMinute)
			was := digest.RealmOf(s)
			set(&s.Realm, in.Realm)
			if err := passwordsFor(cat, was); err != nil && digest.RealmOf(s) != was {
				f.fail("realm", err)
			}
			return catalog.EntityOf(s), f.err
		},
	})
	payload := &model.SettingsPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if s := out.item.Entity.GetSettings(); s != nil {
		payload.Settings = settings(s, out.item.Version)
	}
	return payload, err
}

// passwordsFor refuses another realm while there are passwords, which were set for the
// one before and are not known.
func passwordsFor(cat *catalog.State, realm string) error {
	for _, kind := range []catalog.Kind{catalog.KindSubscriber, catalog.KindOriginator} {
		for _, it := range cat.List(kind) {
			if len(it.Entity.GetSubscriber().GetSecret())+len(it.Entity.GetOriginator().GetAuthSecret()) > 0 {
				return fmt.Errorf("%s has a password that was set for %q: apply a document with the new realm and all passwords", catalog.RefOf(it.Entity), realm)
			}
		}
	}
	return nil
}
