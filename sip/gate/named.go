package gate

import (
	"iter"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Headed is a request or a response.
type Headed interface{ Headers() []sip.Header }

// Named gives a message's headers of one name, in whatever letters, in their order.
// A compact form is a name of its own (RFC 3261, section 7.3.3).
func Named(msg Headed, name string) iter.Seq[sip.Header] {
	return func(yield func(sip.Header) bool) {
		for _, h := range msg.Headers() {
			if has := h.Name(); len(has) == len(name) && strings.EqualFold(has, name) && !yield(h) {
				return
			}
		}
	}
}
