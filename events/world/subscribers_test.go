package world_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

const subscribersWorld = `
originators:
  - {id: pbx, auth_user: pbx-1, auth_password: secret}
subscribers:
  - id: anna
    name: Anna
    company: co
    account: co-usd
    sell_deck: d
    route_plan: p
    password: wonderland
    caller_number: "+4930123"
    channels: 2
    calls_per_second: 1
    max_contacts: 3
    max_duration: 2h
    codecs: [pcma, pcmu]
    forward: {always: "4940", busy: bert, no_answer: "4941", after: 20s}
    trust_registration: true
dids:
  - {number: "4930123", company: co, subscriber: anna, account: co-usd, sell_deck: d}
`

func secretOf(t *testing.T, name, user, password string) []byte {
	t.Helper()
	s, err := digest.SecretOf(user, password, digest.Realm)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := boxes{}.Wrap(name, s.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func TestSubscribersAreRead(t *testing.T) {
	edit, err := world.Read([]byte(subscribersWorld), catalog.New(), &plain{}, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		&wire.Originator{Id: "pbx", ProfitMode: wire.ProfitMode_PROFIT_MODE_PROFIT_ONLY, AuthUser: "pbx-1", AuthSecret: secretOf(t, "originator pbx", "pbx-1", "secret")},
		&wire.Subscriber{
			Id: "anna", Name: "Anna", Company: "co", Account: "co-usd", SellDeck: "d", RoutePlan: "p", CallerNumber: "+4930123",
			Secret: secretOf(t, "subscriber anna", "anna", "wonderland"), Channels: 2, CallsPerSecond: 1, MaxContacts: 3,
			MaxDurationS: 7200, Codecs: []string{"pcma", "pcmu"}, NoAnswerS: 20,
			ForwardAlways: "4940", ForwardBusy: "bert", ForwardNoAnswer: "4941", TrustRegistration: true,
		},
		&wire.Did{Number: "4930123", Company: "co", Subscriber: "anna", Account: "co-usd", SellDeck: "d"},
	}
	for i, d := range edit.Differences {
		if diff := cmp.Diff(catalog.EntityOf(want[i]), d.After, protocmp.Transform()); diff != "" {
			t.Errorf("%s:\n%s", d.Ref, diff)
		}
	}
}

// A password that has not changed, or is left out, changes nothing; for another
// user of digest it is asked for again.
func TestSecretsStay(t *testing.T) {
	read := func(doc string, cat *catalog.State) []world.Difference {
		t.Helper()
		edit, err := world.Read([]byte(doc), cat, &plain{}, boxes{})
		if err != nil {
			t.Fatal(err)
		}
		return edit.Differences
	}
	set := &wire.ChangeSetAccepted{}
	for _, d := range read(subscribersWorld, catalog.New()) {
		set.Changes = append(set.Changes, &wire.Change{Entity: d.After})
	}
	cat := catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})
	for _, doc := range []string{
		subscribersWorld,
		strings.NewReplacer("password: wonderland", "", ", auth_password: secret", "").Replace(subscribersWorld),
	} {
		if diffs := read(doc, cat); len(diffs) != 0 {
			t.Errorf("%d differences, the first is of %s", len(diffs), diffs[0].Ref)
		}
	}
	if diffs := read(strings.Replace(subscribersWorld, "wonderland", "other", 1), cat); len(diffs) != 1 {
		t.Errorf("another password: %d differences", len(diffs))
	}
	other := strings.NewReplacer("pbx-1", "pbx-2", ", auth_password: secret", "").Replace(subscribersWorld)
	if diffs := read(other, cat); len(diffs) != 1 || len(diffs[0].After.GetOriginator().AuthSecret) != 0 {
		t.Errorf("another user keeps the secret: %v", diffs)
	}
}

// Another realm wants all passwords again, in the same document.
func TestAnotherRealm(t *testing.T) {
	set := &wire.ChangeSetAccepted{}
	first, err := world.Read([]byte(subscribersWorld), catalog.New(), &plain{}, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range first.Differences {
		set.Changes = append(set.Changes, &wire.Change{Entity: d.After})
	}
	cat := catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})
	realm := "settings: {realm: home.test}\n"
	for name, doc := range map[string]string{
		"alone": realm, "without a password": realm + strings.Replace(subscribersWorld, "password: wonderland", "", 1),
	} {
		if _, err := world.Read([]byte(doc), cat, &plain{}, boxes{}); err == nil || !strings.Contains(err.Error(), "again") {
			t.Errorf("%s: %v", name, err)
		}
	}
	edit, err := world.Read([]byte(realm+subscribersWorld), cat, &plain{}, boxes{})
	if err != nil || len(edit.Differences) != 3 { // the settings, a subscriber and an originator
		t.Errorf("with all of them: %v, %d differences", err, len(edit.Differences))
	}
}
