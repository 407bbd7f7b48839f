package node

import "github.com/prometheus/client_golang/prometheus"

// What a node knows of the cluster and of what has not reached the book yet.
var (
	keeps       = prometheus.NewDesc("tollbook_keeps_book", "1 while this node keeps the book.", nil, nil)
	waiting     = prometheus.NewDesc("tollbook_offline_calls_waiting", "Calls within offline allowances that the book does not know of yet.", nil, nil)
	spooled     = prometheus.NewDesc("tollbook_spool_blocks", "Blocks of observed events in the spool that are not in the stream yet.", []string{"log"}, nil)
	raised      = prometheus.NewDesc("tollbook_alerts", "Alerts of accounts that are raised.", nil, nil)
	streams     = prometheus.NewDesc("tollbook_api_streams", "Subscriptions of the API that go on.", nil, nil)
	sockets     = prometheus.NewDesc("tollbook_api_websockets", "Websockets of the API that are open.", nil, nil)
	memberUp    = prometheus.NewDesc("tollbook_member_up", "1 while a member of the cluster answers this node.", []string{"member"}, nil)
	memberWhole = prometheus.NewDesc("tollbook_member_whole", "1 while a member has all that the streams hold.", []string{"member"}, nil)
	memberAhead = prometheus.NewDesc("tollbook_member_clock_ahead_seconds", "By how much a member's clock is ahead of this node's.", []string{"member"}, nil)
	memberParts = prometheus.NewDesc("tollbook_member_state_differs", "1 when a member's state of the book was seen to differ from this node's.", []string{"member"}, nil)
)

// ofCluster collects those figures. A node alone is its only member.
func (f figures) ofCluster(to chan<- prometheus.Metric) {
	give := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	n := f.node
	give(keeps, truth(n.terms.Keeps()))
	give(waiting, float64(n.desk.Waiting()))
	give(spooled, float64(n.calls.log.Stats().Spooled), "calls")
	give(spooled, float64(n.audit.log.Stats().Spooled), "audit")
	give(raised, float64(len(n.Alerts())))
	operations, open := n.streams.Count()
	give(streams, float64(operations))
	give(sockets, float64(open))
	for _, m := range n.Members() {
		give(memberUp, truth(m.Up), m.Name)
		give(memberWhole, truth(m.Whole), m.Name)
		give(memberAhead, m.Ahead.Seconds(), m.Name)
		give(memberParts, truth(m.DiffersAt != 0), m.Name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
