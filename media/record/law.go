package record

// muLaw and aLaw are the values of ITU-T G.711's codes as 16-bit samples.
var muLaw, aLaw = tables()

func tables() (mu, a [256]int16) {
	for code := range 256 {
		mu[code], a[code] = fromMuLaw(byte(code)), fromALaw(byte(code))
	}
	return mu, a
}

func fromMuLaw(code byte) int16 {
	code = ^code
	value := (int(code&15)<<3+0x84)<<(code>>4&7) - 0x84
	if code&0x80 != 0 {
		value = -value
	}
	return int16(value)
}

func fromALaw(code byte) int16 {
	code ^= 0x55
	value, segment := int(code&15)<<4+8, code>>4&7
	if segment > 0 {
		value = (value + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		value = -value
	}
	return int16(value)
}
