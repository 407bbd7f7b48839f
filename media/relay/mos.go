package relay

import (
	"math"
	"strings"
	"time"
)

// baseDelay is what every call spends besides the network: a packet of 20 ms
// being filled and one being waited for.
const baseDelay = 40 * time.Millisecond

// impairment is a codec's equipment impairment factor Ie and its robustness
// against packet loss Bpl (ITU-T G.113, appendix I).
type impairment struct{ ie, bpl float64 }

// name is the codec's, upper case: also of static numbers that no rtpmap explains.
func (t PayloadType) name() string {
	if t.Codec != "" {
		return strings.ToUpper(t.Codec)
	}
	switch t.Number {
	case 0:
		return "PCMU"
	case 3:
		return "GSM"
	case 4:
		return "G723"
	case 8:
		return "PCMA"
	case 9:
		return "G722"
	case 18:
		return "G729"
	}
	return ""
}

func codecImpairment(t PayloadType) impairment {
	switch t.name() {
	case "G729", "G729A":
		return impairment{11, 19}
	case "G723":
		return impairment{15, 16.1}
	case "GSM":
		return impairment{20, 43}
	case "ILBC":
		return impairment{11, 32}
	case "G726-32":
		return impairment{7, 25.1}
	case "AMR":
		return impairment{5, 10}
	default: // G.711 with loss concealment; wideband is judged like it
		return impairment{0, 25.1}
	}
}

// event tells whether packets are tones and the like (RFC 4733).
func (t PayloadType) event() bool { return strings.EqualFold(t.Codec, "telephone-event") }

// speech tells codecs from comfort noise and events.
func speech(t PayloadType) bool {
	return t.Number != 13 && !t.event() && !strings.EqualFold(t.Codec, "CN")
}

// mos is the E-model of ITU-T G.107 with default values for all that a relay
// cannot see: R = 93.2 - Id - Ie,eff, random loss, and a jitter buffer of twice
// the jitter. The result is in hundredths, from 100 to 450.
func mos(codec PayloadType, lost, expected uint64, jitter, rtt time.Duration) int {
	ppl := 0.0
	if expected > 0 {
		ppl = 100 * float64(lost) / float64(expected)
	}
	c := codecImpairment(codec)
	effective := c.ie + (95-c.ie)*ppl/(ppl+c.bpl)
	delay := float64(baseDelay+2*jitter+rtt/2) / float64(time.Millisecond)
	slow := 0.024 * delay
	if delay > 177.3 {
		slow += 0.11 * (delay - 177.3)
	}
	r := min(max(93.2-slow-effective, 0), 100)
	score := 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	return int(math.Round(100 * min(max(score, 1), 4.5)))
}
