package record

import "encoding/binary"

// g722 decodes ITU-T G.722 at 64 kbit/s: two bands of adaptive differential codes,
// joined by a quadrature mirror filter. Its zero value is ready. The numbers of the
// blocks are the recommendation's (section 6.2).
type g722 struct {
	low, high band
	x         [24]int32
}

// band is the predictor and the scale of one sub-band.
type band struct {
	s, sp, sz, nb, det int32
	r, a, p            [3]int32
	d, b               [7]int32
}

var (
	g722wl   = [8]int32{-60, -30, 58, 172, 334, 538, 1198, 3042}
	g722rl42 = [16]uint8{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0}
	g722wh   = [3]int32{0, -214, 798}
	g722rh2  = [4]uint8{2, 1, 2, 1}
	g722qm2  = [4]int32{-7408, -1616, 7408, 1616}
	g722qm4  = [16]int32{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	g722qm6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	g722ilb = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
	g722qmf = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}
)

// decode appends two little-endian samples of 16 kHz for each byte.
func (g *g722) decode(out, codes []byte) []byte {
	if g.low.det == 0 {
		g.low.det, g.high.det = 32, 8
	}
	le := binary.LittleEndian
	for _, code := range codes {
		a, b := g.both(code)
		out = le.AppendUint16(out, uint16(a))
		out = le.AppendUint16(out, uint16(b))
	}
	return out
}

func (g *g722) both(code byte) (first, second int16) {
	six, two := code&63, code>>6
	low := limit(g.low.s + g.low.det*g722qm6[six]>>15) // 5L, 6L
	four := six >> 2
	difference := g.low.det * g722qm4[four] >> 15 // 2L
	g.low.scale(g722wl[g722rl42[four]], 18432, 8) // 3L
	g.low.adapt(difference)                       // 4L
	difference = g.high.det * g722qm2[two] >> 15  // 2H
	high := limit(difference + g.high.s)          // 5H, 6H
	g.high.scale(g722wh[g722rh2[two]], 22528, 10) // 3H
	g.high.adapt(difference)                      // 4H
	copy(g.x[:], g.x[2:])
	g.x[22], g.x[23] = low+high, low-high
	var even, odd int32
	for i, c := range g722qmf {
		even += g.x[2*i] * c
		odd += g.x[2*i+1] * g722qmf[11-i]
	}
	return int16(saturate(odd >> 11)), int16(saturate(even >> 11))
}

// scale adapts the quantiser's step: LOGSCL and SCALEL, or their like of the high band.
func (b *band) scale(by, most, shift int32) {
	b.nb = min(max(b.nb*127>>7+by, 0), most)
	step := g722ilb[b.nb>>6&31]
	if n := shift - b.nb>>11; n < 0 {
		b.det = step << -n << 2
	} else {
		b.det = step >> n << 2
	}
}

// adapt moves the predictor on: RECONS, PARREC, UPPOL2, UPPOL1, UPZERO, DELAYA,
// FILTEP, FILTEZ and PREDIC.
func (b *band) adapt(d int32) {
	b.d[0], b.r[0], b.p[0] = d, saturate(b.s+d), saturate(b.sz+d)
	a1, a2 := b.poles()
	step := int32(128)
	if d == 0 {
		step = 0
	}
	for i := 6; i > 0; i-- {
		wd := -step
		if b.d[i]>>15 == d>>15 {
			wd = step
		}
		b.b[i] = saturate(wd + b.b[i]*32640>>15)
	}
	copy(b.d[1:], b.d[:6])
	b.r[2], b.r[1] = b.r[1], b.r[0]
	b.p[2], b.p[1] = b.p[1], b.p[0]
	b.a[1], b.a[2] = a1, a2
	b.sp = saturate(b.a[1]*saturate(2*b.r[1])>>15 + b.a[2]*saturate(2*b.r[2])>>15)
	sum := int32(0)
	for i := 6; i > 0; i-- {
		sum += b.b[i] * saturate(2*b.d[i]) >> 15
	}
	b.sz = saturate(sum)
	b.s = saturate(b.sp + b.sz)
}

// poles are the next coefficients of the pole section.
func (b *band) poles() (a1, a2 int32) {
	same1, same2 := b.p[0]>>15 == b.p[1]>>15, b.p[0]>>15 == b.p[2]>>15
	wd := saturate(b.a[1] << 2)
	if same1 {
		wd = min(-wd, 32767)
	}
	a2 = wd>>7 + b.a[2]*32512>>15
	if same2 {
		a2 += 128
	} else {
		a2 -= 128
	}
	a2 = min(max(a2, -12288), 12288)
	a1 = b.a[1] * 32640 >> 15
	if same1 {
		a1 += 192
	} else {
		a1 -= 192
	}
	most := saturate(15360 - a2)
	return min(max(saturate(a1), -most), most), a2
}

func saturate(v int32) int32 { return min(max(v, -32768), 32767) }

func limit(v int32) int32 { return min(max(v, -16384), 16383) }
