package world_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

func TestSipPoliciesAreRead(t *testing.T) {
	edit, err := world.Read([]byte(`
terminators: [{id: t, sip: {codecs: [PCMA, G729], headers: [Privacy], trusted: true, without: [100rel], follow_redirects: true, session: 10m}}]
originators: [{id: o, sip: {headers: [none]}}, {id: plain}]
`), catalog.New(), &plain{}, boxes{})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, c := range edit.Changes {
		switch e := c.Change.Entity.Of.(type) {
		case *wire.Entity_Terminator:
			found++
			want := &wire.SipPolicy{Codecs: []string{"PCMA", "G729"}, Headers: []string{"Privacy"}, Trusted: true, Without: []string{"100rel"}, FollowRedirects: true, SessionS: 600}
			if !proto.Equal(e.Terminator.Sip, want) {
				t.Errorf("%v", e.Terminator.Sip)
			}
		case *wire.Entity_Originator:
			found++
			if e.Originator.Id == "plain" && e.Originator.Sip != nil || e.Originator.Id == "o" && e.Originator.Sip.GetHeaders()[0] != "none" {
				t.Errorf("%v", e.Originator)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d peers", found)
	}
	_, err = world.Read([]byte("originators: [{id: o, sip: {session: soon}}]"), catalog.New(), &plain{}, boxes{})
	if err == nil || !strings.Contains(err.Error(), "sip: session") {
		t.Errorf("%v", err)
	}
}
