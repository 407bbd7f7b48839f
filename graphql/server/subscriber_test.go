package server_test

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/graphql/resolve"
)

const putSubscriber = `mutation ($i: SubscriberPutInput!) { subscriberPut(input: $i) { subscriber {
	id key name hasPassword callerNumber channels maxContacts codecs forwardNoAnswer noAnswer company { key } account { key } sellDeck { key } routePlan { key }
	contacts { contact } } userErrors { path code message } } }`

// A subscriber is made and changed; the password goes in and never comes out.
func TestSubscriberEdits(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	got := c.must(putSubscriber, map[string]any{"i": map[string]any{
		"key": "bert", "name": "Bert", "company": "acme", "account": "acme-usd", "sellDeck": "acme-sell", "routePlan": "standard",
		"password": "brandy-and-soda", "callerNumber": "+33100", "channels": 2, "maxContacts": 3, "codecs": []string{"PCMA"},
		"forwardNoAnswer": "acme-anna", "noAnswer": "20",
	}})
	for path, want := range map[string]string{
		"subscriberPut.subscriber.id": "subscriber:bert", "subscriberPut.subscriber.routePlan.key": "standard",
		"subscriberPut.subscriber.codecs.0": "PCMA", "subscriberPut.subscriber.forwardNoAnswer": "acme-anna",
	} {
		if got.text(path) != want {
			t.Errorf("%s is %s: %v", path, got.text(path), got)
		}
	}
	secret, err := digest.SecretOf("bert", "brandy-and-soda", digest.Realm)
	if err != nil {
		t.Fatal(err)
	}
	stored := f.Catalog().Subscriber("bert").Secret
	if !bytes.Contains(stored, secret.Bytes()) {
		t.Errorf("the secret is %q", stored)
	}
	c.must(putSubscriber, map[string]any{"i": map[string]any{"key": "bert", "channels": 4}})
	if s := f.Catalog().Subscriber("bert"); !bytes.Equal(s.Secret, stored) || s.Channels != 4 || s.NoAnswerS != 20 {
		t.Errorf("after another edit: %v", s)
	}
	c.must(putSubscriber, map[string]any{"i": map[string]any{"key": "bert", "password": nil}})
	if s := f.Catalog().Subscriber("bert"); len(s.Secret) != 0 {
		t.Errorf("the password stays: %v", s)
	}
	audit := c.send(c.request(`{ audit(first: 10, kind: CHANGE) { nodes { changes { kind key before after } } } }`, nil)).Body.String()
	if strings.Contains(audit, "brandy") || strings.Contains(audit, base64.StdEncoding.EncodeToString(stored)) || !strings.Contains(audit, "forward_no_answer") {
		t.Errorf("the audit says\n%s", audit)
	}
	for path, input := range map[string]map[string]any{
		"input.password": {"key": "bert", "password": ""},
		"input.company":  {"key": "bert", "company": "deck:acme-sell"},
	} {
		if got := c.must(putSubscriber, map[string]any{"i": input}); got.text("subscriberPut.userErrors.0.path") != path {
			t.Errorf("%v: %v", input, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	const put = `mutation ($i: DidPutInput!) { didPut(input: $i) { did { id number subscriber { key } terminator { key } account { key } sellDeck { key } company { key } } userErrors { message code } } }`
	got := c.must(put, map[string]any{"i": map[string]any{"number": "33101", "company": "acme", "subscriber": "acme-anna", "account": "acme-usd", "sellDeck": "acme-sell"}})
	if got.text("didPut.did.id") != "did:33101" || got.text("didPut.did.subscriber.key") != "acme-anna" || got.text("didPut.did.account.key") != "acme-usd" {
		t.Errorf("%v", got)
	}
	if got := c.must(put, map[string]any{"i": map[string]any{"number": "33101", "terminator": "globex-ams"}}); got.text("didPut.userErrors.0.code") != "INVALID" {
		t.Errorf("a number that leads to two: %v", got)
	}
	if got := c.must(`mutation { subscriberRemove(input: {id: "subscriber:acme-anna"}) { userErrors { code } } }`, nil); got.text("subscriberRemove.userErrors.0.code") != "CONFLICT" {
		t.Errorf("a subscriber with a number is removed: %v", got)
	}
	if got := c.must(`{ dids(first: 5) { nodes { number } } subscribers(first: 5) { nodes { key hasPassword } } }`, nil); got.text("dids.nodes.0.number") != "33100" || got.text("subscribers.nodes.0.key") != "acme-anna" {
		t.Errorf("%v", got)
	}
}

func TestContactsAndBans(t *testing.T) {
	f := newFixture(t, noon)
	f.bindings = map[string][]resolve.Binding{"acme-anna": {{Contact: "sip:anna@192.0.2.7", Source: "192.0.2.7:5060", Transport: "udp", Node: "n1", Q: 500}}}
	f.bans = []resolve.Ban{{Addr: netip.MustParseAddr("203.0.113.9"), Node: "n1", Reason: "wrong passwords", Failures: 10, Since: noon(), Until: noon()}}
	got := f.as("noel").must(`{ subscriber(id: "acme-anna") { contacts { contact source q transport } } bans { address reason failures } }`, nil)
	if got.text("subscriber.contacts.0.source") != "192.0.2.7:5060" || got.text("subscriber.contacts.0.q") != "0.500000" || got.text("bans.0.address") != "203.0.113.9" {
		t.Errorf("%v", got)
	}
	const lift = `mutation ($a: String!) { banLift(input: {address: $a}) { address userErrors { code } } }`
	for _, c := range []struct{ address, want string }{{"nonsense", "NOT_FOUND"}, {"203.0.113.8", "NOT_FOUND"}, {"203.0.113.9", ""}, {"203.0.113.9", "NOT_FOUND"}} {
		if got := f.as("noel").must(lift, map[string]any{"a": c.address}); c.want != "" && got.text("banLift.userErrors.0.code") != c.want || c.want == "" && got.text("banLift.address") != c.address {
			t.Errorf("%s: %v", c.address, got)
		}
	}
	f.as("adam").refused("FORBIDDEN", `{ bans { address } }`, nil)
}
