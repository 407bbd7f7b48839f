package main_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// figures are what the tests of make test-cluster measured, printed together at the end.
var figures struct {
	sync.Mutex
	of map[string]any
}

func measured(name string, value any) {
	figures.Lock()
	defer figures.Unlock()
	if figures.of == nil {
		figures.of = map[string]any{}
	}
	figures.of[name] = value
}

// TestClusterFigures is the last of all: it prints what the others measured, as one JSON
// object. Of lost CDRs, double charges and overspent accounts none is allowed: the test
// that counts them has failed already.
func TestClusterFigures(t *testing.T) {
	needCluster(t)
	figures.Lock()
	defer figures.Unlock()
	line, err := json.Marshal(figures.of)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(line))
}
