package history

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain lets properties run 40 times instead of 100, if nobody says
// otherwise: each run opens and fsyncs a dozen files.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "40"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
