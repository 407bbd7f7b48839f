// The fast path of media: a packet of a known flow is measured, rewritten and
// sent on where it comes in, without a visit to user space.
//
// It runs at the ingress of an Ethernet interface (tcx, or a clsact filter). A
// flow is put into the map by the relay once both ends are known and a packet
// from the source has been seen. Whatever is not an ordinary packet of a flow
// goes up the stack to the relay's socket, which stays bound: the relay decides
// there as it always does, and takes the flow's figures over. So this program
// needs to know the usual case only.
//
// A frame with a VLAN tag is left alone: it comes by again at its VLAN
// interface, where the program is attached, too.
//
// "make bpf" compiles it; the object is committed beside it.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NANOSECONDS 1000000000ULL
#define DROPOUT 3000 // a sequence number farther ahead is for user space
#define MISORDER 64  // and one that far behind, too: the window's width
#define FORMATS 4
#define LONGEST 1400 // of a packet, from the IP header on

// Flags of a flow.
#define OPAQUE 1 // not RTP: counted in packets and bytes only
#define COPY 2   // packets are copied into the ring

// key names a flow by what its packets carry. IPv4 addresses are mapped into
// IPv6; all is in network order.
struct key {
	__u8 local[16];
	__u8 source[16];
	__be16 local_port;
	__be16 source_port;
};

// meter is what has been measured; it starts with the figures of user space and
// goes back there.
struct meter {
	__u64 packets, bytes;
	__u64 last;    // nanoseconds from the flow's epoch
	__u64 longest; // between two packets
	__u64 duplicates, reordered, gaps;
	__s64 base, highest; // extended sequence numbers
	__u64 window;        // bit i: highest-i was received
	__u64 unique;
	__u64 changes; // of the payload type
	__u64 jitter;  // RFC 3550's, times 16, in units of the clock
	__u64 worst;   // the largest jitter, in microseconds
	__u64 sum;     // of the jitter after each packet, in microseconds
	__u64 terms;   // how many there were
	__u32 clock, transit, timestamp, timed;
	__u32 type, voice; // payload types: of the last packet, of the last speech
};

struct format {
	__u32 clock; // Hz
	__u8 type, speech;
	__u8 pad[2];
};

struct flow {
	struct bpf_spin_lock lock; // guards the meter: see relay()
	__u32 exit;                // index into exits
	__u8 from[16], to[16];
	__be16 from_port, to_port;
	__u32 flags;
	__u32 ssrc;
	__u32 formats;
	struct format format[FORMATS];
	__u64 tag;   // what the copies are named by
	__u64 epoch; // the zero of times, in nanoseconds of the monotonic clock
	__u64 missed; // copies that the ring had no room for
	struct meter meter;
};

// exit is the interface towards an address. User space follows the routes and
// changes it under the flows.
struct exit {
	__u32 interface; // 0: nowhere that this program could reach
	__u32 longest;   // packet in bytes, from the IP header on
};

// Why a packet of a flow went up, and what was done.
enum count { RELAYED, BYTES, SHAPE, HOPS, LENGTH, FORMAT, SEQUENCE, UNROUTED, FAILED, COPIED, UNCOPIED, COUNTS };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); // set by user space
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exit);
} exits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

// copied is the head of a record in the ring; the UDP payload follows. Records
// have one of two sizes, since the ring is given out in constants.
struct copied {
	__u64 tag;
	__u64 at; // nanoseconds from the flow's epoch
	__u8 source[16];
	__be16 source_port;
	__u16 size;
	__u32 pad;
};

#define SMALL 256
#define LARGE 1408

struct small {
	struct copied head;
	__u8 payload[SMALL];
};

struct large {
	struct copied head;
	__u8 payload[LARGE];
};

// packet is what the headers say.
struct packet {
	__u32 network, transport, payload; // offsets
	__u32 size;                        // of the payload
	__u32 length;                      // from the IP header on
	__u8 hops;
};

static __always_inline void add(__u32 which, __u64 n)
{
	__u64 *c = bpf_map_lookup_elem(&counts, &which);
	if (c)
		*c += n;
}

static __always_inline int up(__u32 why)
{
	add(why, 1);
	return TC_ACT_UNSPEC;
}

static __always_inline void map4(__u8 *to, __be32 address)
{
	__u32 *w = (__u32 *)to;
	w[0] = 0;
	w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = address;
}

// read4 and read6 take the headers apart and fill the key. They return 0 for
// what is no plain UDP packet: options, fragments, extension headers, a length
// that does not fit, a missing checksum in IPv6.
static __always_inline int read4(struct __sk_buff *skb, struct packet *p, struct key *k)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end)
		return 0;
	if (ip->ihl != 5 || ip->version != 4 || ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(0x3fff))
		return 0;
	p->length = bpf_ntohs(ip->tot_len);
	if (p->length != bpf_ntohs(udp->len) + sizeof(*ip) || p->length + ETH_HLEN > skb->len)
		return 0;
	p->transport = ETH_HLEN + sizeof(*ip);
	p->hops = ip->ttl;
	map4(k->local, ip->daddr);
	map4(k->source, ip->saddr);
	k->local_port = udp->dest;
	k->source_port = udp->source;
	return 1;
}

static __always_inline int read6(struct __sk_buff *skb, struct packet *p, struct key *k)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end)
		return 0;
	if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP || !udp->check || ip->payload_len != udp->len)
		return 0;
	p->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (p->length + ETH_HLEN > skb->len)
		return 0;
	p->transport = ETH_HLEN + sizeof(*ip);
	p->hops = ip->hop_limit;
	__builtin_memcpy(k->local, &ip->daddr, 16);
	__builtin_memcpy(k->source, &ip->saddr, 16);
	k->local_port = udp->dest;
	k->source_port = udp->source;
	return 1;
}

// rtp is the fixed part of the header (RFC 3550, section 5.1).
struct rtp {
	__u8 first, second;
	__be16 sequence;
	__be32 timestamp, ssrc;
};

// shaped says whether a payload is RTP version 2 that user space would take,
// too: not RTCP (RFC 5761, section 4), with room for what the header announces.
static __always_inline int shaped(struct __sk_buff *skb, struct packet *p, struct rtp *h)
{
	if (p->size < sizeof(*h) || bpf_skb_load_bytes(skb, p->payload, h, sizeof(*h)))
		return 0;
	if (h->first >> 6 != 2 || (h->second >= 192 && h->second <= 223))
		return 0;
	__u32 head = sizeof(*h) + 4 * (h->first & 15);
	if (head > p->size)
		return 0;
	if (h->first & 16) {
		__be16 extension[2];
		if (head + 4 > p->size || bpf_skb_load_bytes(skb, p->payload + head, extension, 4))
			return 0;
		return head + 4 + 4 * bpf_ntohs(extension[1]) <= p->size;
	}
	return 1;
}

// sequence takes a number into the meter as the relay's own meter does. It
// returns 0, having changed nothing, for a jump; 1 for a duplicate; 2 for a
// packet that counts towards the jitter.
static __always_inline int sequence(struct meter *m, __u16 number)
{
	__s64 ahead = (__s16)(number - (__u16)m->highest);
	if (ahead > 0 && ahead < DROPOUT) {
		m->window = ahead < 64 ? m->window << ahead | 1 : 1;
		m->highest += ahead;
		m->unique++;
		if (ahead > 1)
			m->gaps++;
		return 2;
	}
	if (ahead > 0 || ahead <= -MISORDER)
		return 0;
	__u64 bit = 1ULL << (-ahead & 63);
	if (m->window & bit) {
		m->duplicates++;
		return 1;
	}
	m->window |= bit;
	m->reordered++;
	m->unique++;
	if (m->highest + ahead < m->base)
		m->base = m->highest + ahead;
	return 2;
}

// jitter is that of RFC 3550, section 6.4.1, in integers (appendix A.8), as the
// relay's own meter reckons it.
static __always_inline void jitter(struct meter *m, __u32 timestamp, __u32 clock, __u64 now)
{
	if (m->timed && timestamp == m->timestamp)
		return;
	__u64 rate = clock;
	if (!rate)
		return;
	__u32 transit = (__u32)(now / NANOSECONDS * rate + now % NANOSECONDS * rate / NANOSECONDS) - timestamp;
	if (m->clock != clock) {
		m->jitter = 0;
		m->timed = 0;
	}
	if (m->timed) {
		__s64 d = (__s32)(transit - m->transit);
		if (d < 0)
			d = -d;
		if ((__u64)d <= rate) {
			m->jitter += d - ((m->jitter + 8) >> 4);
			__u64 microseconds = (m->jitter >> 4) * 1000000 / rate;
			if (microseconds > m->worst)
				m->worst = microseconds;
			m->sum += microseconds;
			m->terms++;
		}
	}
	m->clock = clock;
	m->transit = transit;
	m->timestamp = timestamp;
	m->timed = 1;
}

static __always_inline void count(struct meter *m, __u32 size, __u64 now)
{
	if (now > m->last && now - m->last > m->longest)
		m->longest = now - m->last;
	if (now > m->last)
		m->last = now;
	m->packets++;
	m->bytes += size;
}

// copy puts a packet into the ring. User space looks into it every few
// milliseconds and is woken only when a quarter is full: a wake-up for each
// packet would cost more than the copy.
static __always_inline void copy(struct __sk_buff *skb, struct packet *p, struct key *k, struct flow *f, __u64 now)
{
	struct copied *head;
	__u8 *payload;
	__u32 size = p->size;
	long failed;
	if (size == 0 || size > LARGE)
		goto missed;
	if (size <= SMALL) {
		struct small *s = bpf_ringbuf_reserve(&ring, sizeof(*s), 0);
		if (!s)
			goto missed;
		head = &s->head;
		payload = s->payload;
		failed = bpf_skb_load_bytes(skb, p->payload, payload, ((size - 1) & 0xff) + 1);
	} else {
		struct large *l = bpf_ringbuf_reserve(&ring, sizeof(*l), 0);
		if (!l)
			goto missed;
		head = &l->head;
		payload = l->payload;
		failed = bpf_skb_load_bytes(skb, p->payload, payload, size);
	}
	if (failed) {
		bpf_ringbuf_discard(head, BPF_RB_NO_WAKEUP);
		goto missed;
	}
	head->tag = f->tag;
	head->at = now;
	__builtin_memcpy(head->source, k->source, 16);
	head->source_port = k->source_port;
	head->size = size;
	head->pad = 0;
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), room = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
	bpf_ringbuf_submit(head, waiting > room / 4 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	add(COPIED, 1);
	return;
missed:
	__sync_fetch_and_add(&f->missed, 1);
	add(UNCOPIED, 1);
}

// rewrite4 and rewrite6 give a packet its new addresses and ports, one hop less
// and the relay's own type of service. The helper mends the UDP checksum in all
// its forms: complete, absent (IPv4), and begun only, as packets from this host's
// containers have it (CHECKSUM_PARTIAL), in which the ports do not count yet.
static __always_inline int rewrite4(struct __sk_buff *skb, struct flow *f)
{
	__u32 check = ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, check);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end)
		return 0;
	__be32 was_from = ip->saddr, was_to = ip->daddr, from = ((__be32 *)f->from)[3], to = ((__be32 *)f->to)[3];
	__be16 port_from = udp->source, port_to = udp->dest;
	__u64 flags = BPF_F_MARK_MANGLED_0;
	if (bpf_l4_csum_replace(skb, check, was_from, from, flags | BPF_F_PSEUDO_HDR | 4) ||
	    bpf_l4_csum_replace(skb, check, was_to, to, flags | BPF_F_PSEUDO_HDR | 4) ||
	    bpf_l4_csum_replace(skb, check, port_from, f->from_port, flags | 2) ||
	    bpf_l4_csum_replace(skb, check, port_to, f->to_port, flags | 2))
		return 0;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + ETH_HLEN;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end)
		return 0;
	struct iphdr new = *ip, old = *ip;
	new.tos = 0;
	new.ttl--;
	new.saddr = from;
	new.daddr = to;
	new.check = old.check = 0;
	// RFC 1624: what was wrong with the header stays wrong.
	__u32 sum = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), (__u16)~ip->check);
	sum = (sum & 0xffff) + (sum >> 16);
	new.check = ~((sum & 0xffff) + (sum >> 16));
	*ip = new;
	udp->source = f->from_port;
	udp->dest = f->to_port;
	return 1;
}

static __always_inline int rewrite6(struct __sk_buff *skb, struct flow *f)
{
	__u32 check = ETH_HLEN + sizeof(struct ipv6hdr) + offsetof(struct udphdr, check);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end)
		return 0;
	struct ipv6hdr old = *ip, new = *ip;
	__be16 port_from = udp->source, port_to = udp->dest;
	*(__be32 *)&new = bpf_htonl(0x60000000);
	new.hop_limit--;
	__builtin_memcpy(&new.saddr, f->from, 16);
	__builtin_memcpy(&new.daddr, f->to, 16);
	__s64 addresses = bpf_csum_diff((__be32 *)&old.saddr, 32, (__be32 *)&new.saddr, 32, 0);
	__s64 words = bpf_csum_diff((__be32 *)&old, 8, (__be32 *)&new, 8, 0);
	__u64 flags = BPF_F_MARK_MANGLED_0;
	if (bpf_l4_csum_replace(skb, check, 0, addresses, flags | BPF_F_PSEUDO_HDR) ||
	    bpf_l4_csum_replace(skb, check, port_from, f->from_port, flags | 2) ||
	    bpf_l4_csum_replace(skb, check, port_to, f->to_port, flags | 2))
		return 0;
	// Where the card has summed the whole packet (CHECKSUM_COMPLETE), the helper
	// has taken the addresses off as IPv4 needs it, whose header's sum is nought.
	bpf_csum_update(skb, addresses);
	bpf_csum_update(skb, words);
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + ETH_HLEN;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end)
		return 0;
	*ip = new;
	udp->source = f->from_port;
	udp->dest = f->to_port;
	return 1;
}

// format_of finds a payload type among those of the flow.
static __always_inline struct format *format_of(struct flow *f, __u8 type)
{
#pragma unroll
	for (int i = 0; i < FORMATS; i++)
		if (i < f->formats && f->format[i].type == type)
			return &f->format[i];
	return NULL;
}

// measure takes a packet into the flow's figures, or says why it is none of the
// fast path's business. Receive queues keep a flow on one CPU, but steering may
// move it at any time and two queues may then hold packets of it: the lock
// makes that right, and nobody else wants it but a reader now and then.
static __always_inline int measure(struct __sk_buff *skb, struct packet *p, struct flow *f, __u64 now)
{
	struct rtp h = {};
	struct format *format = NULL;
	int opaque = f->flags & OPAQUE, kind = 0;
	if (!opaque) {
		if (!shaped(skb, p, &h))
			return SHAPE;
		format = format_of(f, h.second & 127);
		if (!format || bpf_ntohl(h.ssrc) != f->ssrc)
			return FORMAT;
	}
	__u16 number = bpf_ntohs(h.sequence);
	__u32 timestamp = bpf_ntohl(h.timestamp), clock = format ? format->clock : 0;
	__u8 type = h.second & 127, speech = format ? format->speech : 0;
	struct meter *m = &f->meter;
	bpf_spin_lock(&f->lock);
	if (!opaque)
		kind = sequence(m, number);
	if (opaque || kind)
		count(m, p->size, now);
	if (kind == 2) {
		if (type != m->type)
			m->changes++;
		m->type = type;
		if (speech)
			m->voice = type;
		jitter(m, timestamp, clock, now);
	}
	bpf_spin_unlock(&f->lock);
	return opaque || kind ? RELAYED : SEQUENCE;
}

SEC("tc")
int relay(struct __sk_buff *skb)
{
	struct packet p = {};
	struct key k = {};
	int six = skb->protocol == bpf_htons(ETH_P_IPV6);
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return TC_ACT_UNSPEC;
	if (!six && skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	__u32 heads = ETH_HLEN + (six ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + sizeof(struct udphdr);
	if (skb->data + heads > skb->data_end && (skb->len < heads || bpf_skb_pull_data(skb, heads)))
		return TC_ACT_UNSPEC;
	if (!(six ? read6(skb, &p, &k) : read4(skb, &p, &k)))
		return TC_ACT_UNSPEC;
	struct flow *f = bpf_map_lookup_elem(&flows, &k);
	if (!f)
		return TC_ACT_UNSPEC;
	p.payload = p.transport + sizeof(struct udphdr);
	p.size = p.length + ETH_HLEN - p.payload;
	if (p.hops <= 1)
		return up(HOPS);
	__u32 number = f->exit;
	struct exit *x = bpf_map_lookup_elem(&exits, &number);
	if (!x || !x->interface)
		return up(UNROUTED);
	if (p.size == 0 || p.length > LONGEST || p.length > x->longest)
		return up(LENGTH);
	__u64 now = bpf_ktime_get_ns() - f->epoch;
	int why = measure(skb, &p, f, now);
	if (why != RELAYED)
		return up(why);
	if (f->flags & COPY)
		copy(skb, &p, &k, f, now);
	if (!(six ? rewrite6(skb, f) : rewrite4(skb, f))) {
		add(FAILED, 1);
		return TC_ACT_SHOT;
	}
	add(RELAYED, 1);
	add(BYTES, p.size);
	return bpf_redirect_neigh(x->interface, NULL, 0, 0);
}

// No helper is used that the kernel lends to one licence only.
char _license[] SEC("license") = "none";
