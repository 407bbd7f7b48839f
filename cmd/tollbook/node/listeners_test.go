package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// both are an own listener and one that may be shared.
const both = "sip: [{name: a, address: '192.0.2.1:1'}, {name: b, address: '192.0.2.9:1'}]\n"

func TestListeners(t *testing.T) {
	for text, want := range map[string]string{
		"sip: 192.0.2.1:5060":                                   "",
		"sip: [{name: a, address: 192.0.2.1, udp: 5060}]":       "",
		"sip: [{name: a, address: '192.0.2.1:5060'}]":           "",
		"sip: [{name: a, address: '2001:db8::1', tcp: 5060}]":   "",
		"sip: [{name: a, address: 192.0.2.1, udp: 5060, x: 1}]": `unknown key "x"`,
		"sip: 0.0.0.0:5060":                                     "single address",
		"sip: 192.0.2.1":                                        "such as 192.0.2.1:5060",
		"sip: 192.0.2.1:0":                                      "single address",
		"sip: []":                                               "names 0 listeners",
		"sip: [{address: 192.0.2.1, udp: 1}]":                   "a name of small letters",
		"sip: [{name: a, address: 192.0.2.1}]":                  "beside ports such as udp",
		"sip: [{name: a, address: '192.0.2.1:1', udp: 1}]":      "leave one of them out",
		"sip: [{name: a, address: 192.0.2.1, udp: 1}, {name: a, address: 192.0.2.2, udp: 1}]": "two listeners named",
		"sip: [{name: a, address: 192.0.2.1, udp: 1}, {name: b, address: 192.0.2.1, udp: 1}]": "taken by a udp",
		"sip: [{name: a, address: 192.0.2.1, tcp: 1, ws: 1}]":                                 "is taken by a",
		"sip: [{name: a, address: 192.0.2.1, tls: 1}]":                                        "need a certificate",
		"sip: [{name: a, address: 192.0.2.1, tls: 1, certificate: x}]":                        "need a certificate",
		"sip: [{name: a, address: 192.0.2.1, udp: 1, certificate: x, key: y}]":                "which have no port",
		"sip: [{name: a, address: 192.0.2.1, udp: 1, connections: -1}]":                       "negative",
		"dns: [192.0.2.53]":                    "dns[0]",
		"overload: {latency: x}":               "overload.latency",
		"overload: {latency: 1s, waiting: -1}": "overload.waiting",
		"drain: 2h":                            "drain",
		both + "shared: {addresses: [{address: 192.0.2.9/24, interface: e}], dispatch: true}":                                                         "",
		both + "shared: {addresses: [{address: 192.0.2.9/24}], owner: external}":                                                                      "",
		both + "shared: {addresses: [{address: 192.0.2.9/24}]}":                                                                                       "interface is empty",
		both + "shared: {addresses: [{address: 192.0.2.9, interface: e}]}":                                                                            "such as 192.0.2.100/24",
		both + "shared: {addresses: [{address: 192.0.2.8/24, interface: e}]}":                                                                         "no listener of sip",
		both + "shared: {addresses: [{address: 192.0.2.1/24, interface: e}]}":                                                                         "must be this node's own",
		both + "shared: {addresses: [{address: 192.0.2.9/24, interface: e}, {address: 192.0.2.9/25, interface: e}]}":                                  "twice",
		both + "shared: {owner: nobody}":                                                                                                              "shared.owner",
		"sip: [{name: a, address: '192.0.2.1:1'}, {name: b, address: '127.0.0.9:1'}]\nshared: {addresses: [{address: 127.0.0.9/8}], owner: external}": "nobody can see",
		"sip: [{name: a, address: '192.0.2.1:1', redirect: true}]":                                                                                    "cannot redirect",
		"zone: {name: sip.test, listen: '192.0.2.1:53'}":                                                                                              "",
		"zone: {listen: '192.0.2.1:53'}":                                                                                                              "zone.name is empty",
		"zone: {name: test}":                                                                                                                          "zone.name",
		"zone: {name: sip.test, ttl: 0s}":                                                                                                             "zone.ttl",
		"zone: {name: sip.test, listen: 192.0.2.1}":                                                                                                   "zone.listen[0]",
	} {
		path := filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ReadConfig(path)
		if err == nil {
			_, err = c.parse()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
