package catalog

import (
	"slices"

	"github.com/tollbook/tollbook/events/wire"
)

// RefOf names an entity; its kind is empty if the entity is.
func RefOf(e *wire.Entity) Ref {
	switch of := e.GetOf().(type) {
	case *wire.Entity_Settings:
		return Ref{KindSettings, of.Settings.GetId()}
	case *wire.Entity_Company:
		return Ref{KindCompany, of.Company.GetId()}
	case *wire.Entity_Account:
		return Ref{KindAccount, of.Account.GetId()}
	case *wire.Entity_Originator:
		return Ref{KindOriginator, of.Originator.GetId()}
	case *wire.Entity_Terminator:
		return Ref{KindTerminator, of.Terminator.GetId()}
	case *wire.Entity_Deck:
		return Ref{KindDeck, of.Deck.GetId()}
	case *wire.Entity_DeckVersion:
		return Ref{KindDeckVersion, of.DeckVersion.GetId()}
	case *wire.Entity_RoutePlan:
		return Ref{KindRoutePlan, of.RoutePlan.GetId()}
	case *wire.Entity_Route:
		return Ref{KindRoute, of.Route.GetId()}
	case *wire.Entity_User:
		return Ref{KindUser, of.User.GetId()}
	case *wire.Entity_Token:
		return Ref{KindToken, of.Token.GetId()}
	case *wire.Entity_NumberList:
		return Ref{KindNumberList, of.NumberList.GetId()}
	case *wire.Entity_OriginSet:
		return Ref{KindOriginSet, of.OriginSet.GetId()}
	case *wire.Entity_ExchangeRate:
		return Ref{KindExchangeRate, of.ExchangeRate.GetId()}
	case *wire.Entity_DeckMapping:
		return Ref{KindDeckMapping, of.DeckMapping.GetId()}
	case *wire.Entity_Subscriber:
		return Ref{KindSubscriber, of.Subscriber.GetId()}
	case *wire.Entity_Did:
		return Ref{KindDid, of.Did.GetNumber()}
	case *wire.Entity_Registration:
		return Ref{KindRegistration, of.Registration.GetId()}
	case *wire.Entity_GuardRule:
		return Ref{KindGuardRule, of.GuardRule.GetId()}
	case *wire.Entity_EvidenceRule:
		return Ref{KindEvidenceRule, of.EvidenceRule.GetId()}
	case *wire.Entity_CdrProfile:
		return Ref{KindCdrProfile, of.CdrProfile.GetId()}
	case *wire.Entity_CdrProgress:
		return Ref{KindCdrProgress, of.CdrProgress.GetId()}
	case *wire.Entity_Webhook:
		return Ref{KindWebhook, of.Webhook.GetId()}
	case *wire.Entity_WebhookProgress:
		return Ref{KindWebhookProgress, of.WebhookProgress.GetId()}
	case *wire.Entity_Job:
		return Ref{KindJob, of.Job.GetId()}
	default:
		return Ref{}
	}
}

// References lists the entities that an entity needs.
func References(e *wire.Entity) []Ref {
	var refs []Ref
	need := func(k Kind, id string) {
		if id != "" {
			refs = append(refs, Ref{k, id})
		}
	}
	switch of := e.GetOf().(type) {
	case *wire.Entity_Account:
		need(KindCompany, of.Account.Company)
		need(KindAccount, of.Account.Package)
	case *wire.Entity_Originator:
		o := of.Originator
		need(KindCompany, o.Company)
		need(KindAccount, o.Account)
		need(KindDeck, o.SellDeck)
		need(KindRoutePlan, o.RoutePlan)
		refs = append(refs, lists(o.Lists)...)
	case *wire.Entity_Terminator:
		t := of.Terminator
		need(KindCompany, t.Company)
		need(KindAccount, t.Account)
		need(KindDeck, t.BuyDeck)
		refs = append(refs, lists(t.Lists)...)
	case *wire.Entity_Deck:
		need(KindCompany, of.Deck.Company)
	case *wire.Entity_DeckVersion:
		need(KindDeck, of.DeckVersion.Deck)
		for _, o := range of.DeckVersion.OriginSets {
			need(KindOriginSet, o)
		}
	case *wire.Entity_DeckMapping:
		need(KindCompany, of.DeckMapping.Company)
	case *wire.Entity_Route:
		need(KindRoutePlan, of.Route.Plan)
		need(KindTerminator, of.Route.Terminator)
	case *wire.Entity_Subscriber:
		sub := of.Subscriber
		need(KindCompany, sub.Company)
		need(KindAccount, sub.Account)
		need(KindDeck, sub.SellDeck)
		need(KindRoutePlan, sub.RoutePlan)
		for _, id := range forwards(sub) {
			need(KindSubscriber, id)
		}
	case *wire.Entity_Did:
		d := of.Did
		need(KindCompany, d.Company)
		need(KindSubscriber, d.Subscriber)
		need(KindTerminator, d.Terminator)
		need(KindAccount, d.Account)
		need(KindDeck, d.SellDeck)
	case *wire.Entity_Registration:
		need(KindOriginator, of.Registration.Originator)
	case *wire.Entity_GuardRule:
		refs = append(refs, accounts(of.GuardRule.Accounts, of.GuardRule.ExceptAccounts)...)
	case *wire.Entity_EvidenceRule:
		refs = append(refs, evidenceNeeds(of.EvidenceRule)...)
	case *wire.Entity_CdrProfile:
		need(KindCompany, of.CdrProfile.Company)
		need(KindAccount, of.CdrProfile.Account)
	case *wire.Entity_Webhook:
		need(KindCompany, of.Webhook.Company)
	case *wire.Entity_User:
		need(KindCompany, of.User.Company)
	case *wire.Entity_Token:
		need(KindCompany, of.Token.Company)
	}
	return refs
}

func accounts(ids ...[]string) (refs []Ref) {
	for _, id := range slices.Concat(ids...) {
		refs = append(refs, Ref{KindAccount, id})
	}
	return refs
}

func lists(uses []*wire.ListUse) []Ref {
	var refs []Ref
	for _, u := range uses {
		if r := (Ref{KindNumberList, u.List}); !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// EntityOf wraps one of the catalog's messages as an entity.
func EntityOf(m any) *wire.Entity {
	switch m := m.(type) {
	case *wire.Settings:
		return &wire.Entity{Of: &wire.Entity_Settings{Settings: m}}
	case *wire.Company:
		return &wire.Entity{Of: &wire.Entity_Company{Company: m}}
	case *wire.Account:
		return &wire.Entity{Of: &wire.Entity_Account{Account: m}}
	case *wire.Originator:
		return &wire.Entity{Of: &wire.Entity_Originator{Originator: m}}
	case *wire.Terminator:
		return &wire.Entity{Of: &wire.Entity_Terminator{Terminator: m}}
	case *wire.Deck:
		return &wire.Entity{Of: &wire.Entity_Deck{Deck: m}}
	case *wire.DeckVersion:
		return &wire.Entity{Of: &wire.Entity_DeckVersion{DeckVersion: m}}
	case *wire.RoutePlan:
		return &wire.Entity{Of: &wire.Entity_RoutePlan{RoutePlan: m}}
	case *wire.Route:
		return &wire.Entity{Of: &wire.Entity_Route{Route: m}}
	case *wire.User:
		return &wire.Entity{Of: &wire.Entity_User{User: m}}
	case *wire.Token:
		return &wire.Entity{Of: &wire.Entity_Token{Token: m}}
	case *wire.OriginSet:
		return &wire.Entity{Of: &wire.Entity_OriginSet{OriginSet: m}}
	case *wire.ExchangeRate:
		return &wire.Entity{Of: &wire.Entity_ExchangeRate{ExchangeRate: m}}
	case *wire.DeckMapping:
		return &wire.Entity{Of: &wire.Entity_DeckMapping{DeckMapping: m}}
	case *wire.NumberList:
		return &wire.Entity{Of: &wire.Entity_NumberList{NumberList: m}}
	case *wire.Subscriber:
		return &wire.Entity{Of: &wire.Entity_Subscriber{Subscriber: m}}
	case *wire.Did:
		return &wire.Entity{Of: &wire.Entity_Did{Did: m}}
	case *wire.Registration:
		return &wire.Entity{Of: &wire.Entity_Registration{Registration: m}}
	case *wire.GuardRule:
		return &wire.Entity{Of: &wire.Entity_GuardRule{GuardRule: m}}
	case *wire.EvidenceRule:
		return &wire.Entity{Of: &wire.Entity_EvidenceRule{EvidenceRule: m}}
	case *wire.CdrProfile:
		return &wire.Entity{Of: &wire.Entity_CdrProfile{CdrProfile: m}}
	case *wire.CdrProgress:
		return &wire.Entity{Of: &wire.Entity_CdrProgress{CdrProgress: m}}
	case *wire.Webhook:
		return &wire.Entity{Of: &wire.Entity_Webhook{Webhook: m}}
	case *wire.WebhookProgress:
		return &wire.Entity{Of: &wire.Entity_WebhookProgress{WebhookProgress: m}}
	case *wire.Job:
		return &wire.Entity{Of: &wire.Entity_Job{Job: m}}
	default:
		panic("catalog: not an entity")
	}
}
