package node

import (
	"strings"
	"testing"
)

func TestHEPIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*HEP)
		want  string // empty for none
	}{
		"usual":     {func(*HEP) {}, ""},
		"none":      {func(h *HEP) { *h = HEP{} }, ""},
		"a name":    {func(h *HEP) { h.Address = "homer.example.net:9060" }, ""},
		"no port":   {func(h *HEP) { h.Address = "192.0.2.7" }, "hep.address"},
		"port 0":    {func(h *HEP) { h.Address = "192.0.2.7:0" }, "hep.address"},
		"no host":   {func(h *HEP) { h.Address = ":9060" }, "hep.address"},
		"transport": {func(h *HEP) { h.Transport = "tls" }, `hep.transport "tls" is not udp or tcp`},
		"calls":     {func(h *HEP) { h.Calls = "some" }, `hep.calls "some" is not all or captured`},
		"password":  {func(h *HEP) { h.Password = strings.Repeat("x", 129) }, "hep.password is longer"},
	} {
		config := Default()
		config.HEP.Address = "192.0.2.7:9060"
		c.spoil(&config.HEP)
		_, err := config.parse()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
