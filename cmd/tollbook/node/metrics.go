package node

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/media/evidence"
)

// gauge is a figure of a node's for Prometheus.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(resolve.NodeState) float64
}

func describe(name, help string, kind prometheus.ValueType, of func(resolve.NodeState) float64) gauge {
	return gauge{prometheus.NewDesc("tollbook_"+name, help, nil, nil), kind, of}
}

// gauges are a node's figures: those that only rise end in _total.
var gauges = []gauge{
	describe("calls", "Calls in progress.", prometheus.GaugeValue, func(s resolve.NodeState) float64 { return float64(s.Calls) }),
	describe("calls_limit", "Calls that may be in progress at once.", prometheus.GaugeValue, func(s resolve.NodeState) float64 { return float64(s.MaxCalls) }),
	describe("calls_total", "Calls that were taken.", prometheus.CounterValue, func(s resolve.NodeState) float64 { return float64(s.Begun) }),
	describe("calls_taken_over_total", "Calls of nodes that died which go on here.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.TakenOver) }),
	describe("calls_not_taken_over_total", "Calls of nodes that died which could not go on here.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.NotTakenOver) }),
	describe("calls_let_go_total", "Calls that other nodes have taken over from this one.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.LetGo) }),
	describe("shared_addresses", "How many of the addresses that the cluster shares this node holds.", prometheus.GaugeValue,
		func(s resolve.NodeState) float64 { return float64(s.Holds) }),
	describe("draining", "1 while the node takes no new calls because it is about to stop.", prometheus.GaugeValue,
		func(s resolve.NodeState) float64 {
			if s.Draining {
				return 1
			}
			return 0
		}),
	describe("overload_limit_calls_per_second", "New calls that are let in a second; 0 is no limit.", prometheus.GaugeValue,
		func(s resolve.NodeState) float64 { return float64(s.PerSecond) }),
	describe("overload_waiting_calls", "New calls that wait for their decision.", prometheus.GaugeValue,
		func(s resolve.NodeState) float64 { return float64(s.Waiting) }),
	describe("overload_refused_calls_total", "New calls that were refused because there were too many.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.Refused) }),
	describe("sip_bad_descriptions_total", "Session descriptions that could not be used.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.BadDescriptions) }),
	describe("sip_malformed_messages_total", "Messages of peers that are no SIP.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.Malformed) }),
	describe("sip_rejected_messages_total", "Messages and connections that got no further than the door.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.Rejected) }),
	describe("sip_banned_sources", "Sources that are banned now.", prometheus.GaugeValue, func(s resolve.NodeState) float64 { return float64(s.Banned) }),
	describe("sip_server_transactions", "Transactions of requests that came, remembered now.", prometheus.GaugeValue,
		func(s resolve.NodeState) float64 { return float64(s.Servers) }),
	describe("sip_client_transactions", "Transactions of requests that were sent, remembered now.", prometheus.GaugeValue,
		func(s resolve.NodeState) float64 { return float64(s.Clients) }),
	describe("sip_connections", "Connections that far ends have open.", prometheus.GaugeValue, func(s resolve.NodeState) float64 { return float64(s.Connections) }),
	describe("media_packets_total", "Packets of media that were passed on.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.Packets) }),
	describe("media_bytes_total", "Bytes of media that were passed on.", prometheus.CounterValue, func(s resolve.NodeState) float64 { return float64(s.Bytes) }),
	describe("media_kernel_packets_total", "Of the packets of media, those that the kernel passed on by itself.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.KernelPackets) }),
	describe("media_uncopied_packets_total", "Packets that the kernel passed on and a recording or capture did not hear.", prometheus.CounterValue,
		func(s resolve.NodeState) float64 { return float64(s.Uncopied) }),
}

var (
	dropped   = prometheus.NewDesc("tollbook_media_dropped_packets_total", "Packets of media that were not passed on, by reason.", []string{"reason"}, nil)
	build     = prometheus.NewDesc("tollbook_info", "1, with the node's name and version.", []string{"node", "version"}, nil)
	evidences = [...]struct {
		desc *prometheus.Desc
		of   func(evidence.Stats) uint64
	}{
		{prometheus.NewDesc("tollbook_recordings_total", "Recordings that were begun.", nil, nil), func(s evidence.Stats) uint64 { return s.Recordings }},
		{prometheus.NewDesc("tollbook_captures_total", "Captures that were begun.", nil, nil), func(s evidence.Stats) uint64 { return s.Captures }},
		{prometheus.NewDesc("tollbook_evidence_refused_total", "Recordings and captures that could not be begun.", nil, nil), func(s evidence.Stats) uint64 { return s.Refused }},
		{prometheus.NewDesc("tollbook_evidence_lost_packets_total", "Packets and messages missing in recordings and captures because a queue was full.", nil, nil), func(s evidence.Stats) uint64 { return s.Lost }},
		{prometheus.NewDesc("tollbook_hep_sent_total", "Packets that were sent to the HOMER server.", nil, nil), func(s evidence.Stats) uint64 { return s.HEPSent }},
		{prometheus.NewDesc("tollbook_hep_dropped_total", "Packets that the HOMER server did not get.", nil, nil), func(s evidence.Stats) uint64 { return s.HEPDropped }},
	}
	failing = prometheus.NewDesc("tollbook_webhooks_failing", "Webhooks whose server takes nothing, or that are paused for that.", nil, nil)
	lag     = prometheus.NewDesc("tollbook_history_lag_seconds", "How far the history is behind the book.", nil, nil)
	reads   = prometheus.NewDesc("tollbook_book_position", "The position of the book that the node's views include.", nil, nil)
)

// figures collects a node's figures when it is asked for them.
type figures struct{ node *Node }

func (f figures) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(f, to) }

func (f figures) Collect(to chan<- prometheus.Metric) {
	s := f.node.Stands()
	for _, g := range gauges {
		to <- prometheus.MustNewConstMetric(g.desc, g.kind, g.of(s))
	}
	for _, d := range s.Drops {
		to <- prometheus.MustNewConstMetric(dropped, prometheus.CounterValue, float64(d.Packets), d.Reason)
	}
	kept := f.node.evidence.Stats()
	for _, e := range evidences {
		to <- prometheus.MustNewConstMetric(e.desc, prometheus.CounterValue, float64(e.of(kept)))
	}
	if c := f.node.clickhouse; c != nil {
		tell(to, c.Stats(), sunk)
	}
	if m := f.node.mirror; m != nil {
		tell(to, m.Stats(), mirrored)
	}
	to <- prometheus.MustNewConstMetric(failing, prometheus.GaugeValue, float64(f.node.failingWebhooks()))
	f.ofCluster(to)
	position, behind := f.node.AsOf()
	to <- prometheus.MustNewConstMetric(reads, prometheus.GaugeValue, float64(position))
	to <- prometheus.MustNewConstMetric(lag, prometheus.GaugeValue, behind.Seconds())
	to <- prometheus.MustNewConstMetric(build, prometheus.GaugeValue, 1, s.Name, s.Version)
}

// figure is one of those that a part of the node has of itself.
type figure[S any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(S) int64
}

func tell[S any](to chan<- prometheus.Metric, stats S, all []figure[S]) {
	for _, f := range all {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.of(stats)))
	}
}

// metrics serves the node's figures, and those of the program, in Prometheus' format.
func (n *Node) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(figures{n}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: promLog{n}, MaxRequestsInFlight: 4})
}

// promLog hears of figures that cannot be given.
type promLog struct{ node *Node }

func (l promLog) Println(v ...any) { l.node.log.Error("metrics", "err", v) }
