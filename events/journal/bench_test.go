package journal

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkAppend is one writer that waits for each block's sync to disk.
func BenchmarkAppend(b *testing.B) {
	for _, events := range []int{1, 100} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			s := openStream(b, startServer(b, b.TempDir()), "BOOK")
			w := openWriter(b, s, "book", openHeads(b, b.TempDir()))
			block := make([][]byte, events)
			for i := range block {
				block[i] = make([]byte, 200)
			}
			for b.Loop() {
				if _, err := w.Append(context.Background(), noon(), 1, block); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkLog is the group commit with as much as it takes.
func BenchmarkLog(b *testing.B) {
	s := openStream(b, startServer(b, b.TempDir()), "LOG")
	l := openLog(b, s, LogOptions{Heads: openHeads(b, b.TempDir())})
	event := make([]byte, 200)
	for b.Loop() {
		if _, err := l.AppendWait(context.Background(), event); err != nil {
			b.Fatal(err)
		}
	}
	closeLog(b, l)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(l.Stats().Events)/float64(l.Stats().Blocks), "events/block")
}

// BenchmarkRead is a verified read of small blocks, one journal of two in the
// stream.
func BenchmarkRead(b *testing.B) {
	const blocks = 20000
	for _, name := range []string{"memory", "stream"} {
		b.Run(name, func(b *testing.B) {
			var s Store = NewMemory("LOG", "log.>")
			if name == "stream" {
				s = openStream(b, startServer(b, b.TempDir()), "LOG")
			}
			write(b, openWriter(b, s, "log.audit", nil), 1)
			write(b, openWriter(b, s, "log.calls", nil), blocks)
			for b.Loop() {
				end, err := Read(context.Background(), s, "log.calls", Cursor{}, func(Block) error { return nil })
				if err != nil || end.Number != blocks {
					b.Fatal(end, err)
				}
			}
			b.ReportMetric(float64(b.N*blocks)/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}
