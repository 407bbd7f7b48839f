package gate

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// verdict is why a request does not pass.
type verdict struct {
	code   int
	reason string
}

// check applies what RFC 3261 asks of every request (sections 8.1.1, 8.2 and
// 16.3) and RFC 4475 tests.
func check(req *sip.Request) *verdict {
	missing := ""
	switch {
	case req.Via() == nil:
		missing = "Via"
	case req.From() == nil:
		missing = "From"
	case req.To() == nil:
		missing = "To"
	case req.CallID() == nil || *req.CallID() == "":
		missing = "Call-ID"
	case req.CSeq() == nil:
		missing = "CSeq"
	}
	if missing != "" {
		return &verdict{400, "Missing " + missing}
	}
	if req.SipVersion != "SIP/2.0" {
		return &verdict{505, "Version Not Supported"}
	}
	if req.CSeq().MethodName != req.Method {
		return &verdict{400, "CSeq Method Mismatch"}
	}
	if tag, ok := req.From().Params.Get("tag"); req.Method == sip.INVITE && (!ok || tag == "") {
		return &verdict{400, "Missing From Tag"}
	}
	if mf := req.MaxForwards(); mf != nil && mf.Val() == 0 && req.Method != sip.OPTIONS {
		return &verdict{483, "Too Many Hops"}
	}
	switch req.Recipient.Scheme {
	case "sip", "sips", "tel":
	default:
		return &verdict{416, "Unsupported URI Scheme"}
	}
	if len(unsupported(req)) > 0 && req.Method != sip.ACK && req.Method != sip.CANCEL {
		return &verdict{420, "Bad Extension"}
	}
	return nil
}

// supported are the extensions that may be required of us: reliable provisional
// answers (RFC 3262) and session timers (RFC 4028).
var supported = []string{"100rel", "timer"}

// unsupported are the extensions that a request requires and we do not know.
func unsupported(req *sip.Request) []string {
	var out []string
	for h := range Named(req, "Require") {
		for tag := range strings.SplitSeq(h.Value(), ",") {
			if tag = strings.ToLower(strings.TrimSpace(tag)); tag != "" && !slices.Contains(supported, tag) {
				out = append(out, tag)
			}
		}
	}
	return out
}
