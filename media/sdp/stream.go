package sdp

import "strings"

// Stream returns the stream that the switch carries and its index among the m=
// lines: the first live audio, else the first live image (T.38); where fax says
// so, the image goes first. False means that there is neither.
func (s *Session) Stream(fax bool) (Media, int, bool) {
	order := []string{"audio", "image"}
	if fax {
		order = []string{"image", "audio"}
	}
	for _, kind := range order {
		for i, m := range s.Media {
			if m.Type == kind && m.Port != 0 {
				return m, i, true
			}
		}
	}
	return Media{}, -1, false
}

// Select returns the tokens of those formats that both lists of codec names
// allow, in the order of the second list or, if that is empty, of the first. An
// empty list allows all. Tones and comfort noise are no codecs: they pass, behind.
// False means that no codec is left. A stream that is no RTP audio stays as it is.
func (m Media) Select(from, to []string) (tokens []string, ok bool) {
	order := to
	if len(order) == 0 {
		order = from
	}
	if !m.isRTP() || m.Type != "audio" || len(order) == 0 {
		return m.tokens(func(Format) bool { return true }), true
	}
	for _, name := range order {
		tokens = append(tokens, m.tokens(func(f Format) bool {
			return !f.signals() && strings.EqualFold(f.Codec, name) && allows(from, f.Codec)
		})...)
	}
	if len(tokens) == 0 {
		return nil, false
	}
	return append(tokens, m.tokens(Format.signals)...), true
}

func (m Media) tokens(want func(Format) bool) []string {
	var all []string
	for _, f := range m.Formats {
		if want(f) {
			all = append(all, f.Token)
		}
	}
	return all
}

// signals tells tones and comfort noise from codecs.
func (f Format) signals() bool {
	return strings.EqualFold(f.Codec, "telephone-event") || strings.EqualFold(f.Codec, "CN")
}

func allows(list []string, codec string) bool {
	for _, name := range list {
		if strings.EqualFold(name, codec) {
			return true
		}
	}
	return len(list) == 0
}
