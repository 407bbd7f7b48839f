package model

// Edge is a row with its cursor.
type Edge[T any] struct {
	Cursor string
	Node   *T
}

// Connection is one page of a list.
type Connection[T any] struct {
	Edges    []*Edge[T]
	PageInfo PageInfo
	AsOf     AsOf
}

// Nodes are the rows without their cursors.
func (c *Connection[T]) Nodes() []*T {
	nodes := make([]*T, len(c.Edges))
	for i, e := range c.Edges {
		nodes[i] = e.Node
	}
	return nodes
}

// UserConnection is a page of its kind.
type UserConnection = Connection[User]

// UserEdge is a row of its kind with its cursor.
type UserEdge = Edge[User]

// TokenConnection is a page of its kind.
type TokenConnection = Connection[Token]

// TokenEdge is a row of its kind with its cursor.
type TokenEdge = Edge[Token]

// CompanyConnection is a page of its kind.
type CompanyConnection = Connection[Company]

// CompanyEdge is a row of its kind with its cursor.
type CompanyEdge = Edge[Company]

// AccountConnection is a page of its kind.
type AccountConnection = Connection[Account]

// AccountEdge is a row of its kind with its cursor.
type AccountEdge = Edge[Account]

// EntryConnection is a page of its kind.
type EntryConnection = Connection[Entry]

// EntryEdge is a row of its kind with its cursor.
type EntryEdge = Edge[Entry]

// PeriodConnection is a page of its kind.
type PeriodConnection = Connection[Period]

// PeriodEdge is a row of its kind with its cursor.
type PeriodEdge = Edge[Period]

// OriginatorConnection is a page of its kind.
type OriginatorConnection = Connection[Originator]

// OriginatorEdge is a row of its kind with its cursor.
type OriginatorEdge = Edge[Originator]

// TerminatorConnection is a page of its kind.
type TerminatorConnection = Connection[Terminator]

// TerminatorEdge is a row of its kind with its cursor.
type TerminatorEdge = Edge[Terminator]

// DeckConnection is a page of its kind.
type DeckConnection = Connection[Deck]

// DeckEdge is a row of its kind with its cursor.
type DeckEdge = Edge[Deck]

// RateConnection is a page of its kind.
type RateConnection = Connection[Rate]

// RateEdge is a row of its kind with its cursor.
type RateEdge = Edge[Rate]

// RoutePlanConnection is a page of its kind.
type RoutePlanConnection = Connection[RoutePlan]

// RoutePlanEdge is a row of its kind with its cursor.
type RoutePlanEdge = Edge[RoutePlan]

// RouteConnection is a page of its kind.
type RouteConnection = Connection[Route]

// RouteEdge is a row of its kind with its cursor.
type RouteEdge = Edge[Route]

// CdrConnection is a page of its kind.
type CdrConnection = Connection[Cdr]

// CdrEdge is a row of its kind with its cursor.
type CdrEdge = Edge[Cdr]

// LiveCallConnection is a page of its kind.
type LiveCallConnection = Connection[LiveCall]

// LiveCallEdge is a row of its kind with its cursor.
type LiveCallEdge = Edge[LiveCall]

// AlertConnection is a page of its kind.
type AlertConnection = Connection[Alert]

// AlertEdge is a row of its kind with its cursor.
type AlertEdge = Edge[Alert]

// AuditEventConnection is a page of its kind.
type AuditEventConnection = Connection[AuditEvent]

// AuditEventEdge is a row of its kind with its cursor.
type AuditEventEdge = Edge[AuditEvent]

// NumberListConnection is a page of its kind.
type NumberListConnection = Connection[NumberList]

// NumberListEdge is a row of its kind with its cursor.
type NumberListEdge = Edge[NumberList]

// ExchangeRateConnection is a page of its kind.
type ExchangeRateConnection = Connection[ExchangeRate]

// ExchangeRateEdge is a row of its kind with its cursor.
type ExchangeRateEdge = Edge[ExchangeRate]

// OriginSetConnection is a page of its kind.
type OriginSetConnection = Connection[OriginSet]

// OriginSetEdge is a row of its kind with its cursor.
type OriginSetEdge = Edge[OriginSet]

// DeckMappingConnection is a page of its kind.
type DeckMappingConnection = Connection[DeckMapping]

// DeckMappingEdge is a row of its kind with its cursor.
type DeckMappingEdge = Edge[DeckMapping]

// RegistrationConnection is a page of its kind.
type RegistrationConnection = Connection[Registration]

// RegistrationEdge is a row of its kind with its cursor.
type RegistrationEdge = Edge[Registration]

// GuardRuleConnection is a page of its kind.
type GuardRuleConnection = Connection[GuardRule]

// GuardRuleEdge is a row of its kind with its cursor.
type GuardRuleEdge = Edge[GuardRule]

// GuardTripConnection is a page of its kind.
type GuardTripConnection = Connection[GuardTrip]

// GuardTripEdge is a row of its kind with its cursor.
type GuardTripEdge = Edge[GuardTrip]

// JobConnection is a page of its kind.
type JobConnection = Connection[Job]

// JobEdge is a row of it.
type JobEdge = Edge[Job]

// WebhookConnection is a page of its kind.
type WebhookConnection = Connection[Webhook]

// WebhookEdge is a row of its kind with its cursor.
type WebhookEdge = Edge[Webhook]

// CdrProfileConnection is a page of its kind.
type CdrProfileConnection = Connection[CdrProfile]

// CdrProfileEdge is a row of its kind with its cursor.
type CdrProfileEdge = Edge[CdrProfile]

// EvidenceRuleConnection is a page of its kind.
type EvidenceRuleConnection = Connection[EvidenceRule]

// EvidenceRuleEdge is a row of its kind with its cursor.
type EvidenceRuleEdge = Edge[EvidenceRule]

// SubscriberConnection is a page of its kind.
type SubscriberConnection = Connection[Subscriber]

// SubscriberEdge is a row of its kind with its cursor.
type SubscriberEdge = Edge[Subscriber]

// DidConnection is a page of its kind.
type DidConnection = Connection[Did]

// DidEdge is a row of its kind with its cursor.
type DidEdge = Edge[Did]

// CallFileConnection is a page of its kind.
type CallFileConnection = Connection[CallFile]

// CallFileEdge is a row of its kind with its cursor.
type CallFileEdge = Edge[CallFile]

// EventConnection is a page of its kind.
type EventConnection = Connection[Event]

// EventEdge is a row of its kind with its cursor.
type EventEdge = Edge[Event]
