package b2bua

import (
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestCausesAreReadAndDerived(t *testing.T) {
	for _, c := range []struct {
		code   int
		reason string
		want   uint32
	}{
		{404, "", 1}, {486, "", 17}, {480, "", 18}, {484, "", 28}, {503, "", 41}, {699, "", 41}, {408, "", 102},
		{503, "Q.850;cause=34", 34}, {503, `q.850 ; text="a;cause=9" ; Cause = 34`, 34}, {486, "SIP;cause=600", 17},
		{486, "SIP;cause=600, Q.850;cause=21", 21}, {486, "Q.850;cause=300", 17}, {486, "Q.850;cause=128", 17}, {486, "Q.850;cause=x", 17},
	} {
		res := sip.NewResponse(c.code, "No")
		if c.reason != "" {
			res.AppendHeader(sip.NewHeader("Reason", c.reason))
		}
		if got := q850Of(res, c.code); got != c.want {
			t.Errorf("%d %s: %d, want %d", c.code, c.reason, got, c.want)
		}
	}
	if got := reasonHeader(16, "a \"b\"\r\nVia: x").Value(); got != `Q.850;cause=16;text="a bVia: x"` {
		t.Errorf("%s", got)
	}
}
