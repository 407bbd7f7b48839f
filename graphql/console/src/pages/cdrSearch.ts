import type { VariablesOf } from '../api/graphql';
import type { CdrsQuery } from './Cdrs';

/** The filter of the CDR page, as it stands in the address. Everything is text. */
export interface CdrSearch {
  from?: string;
  to?: string;
  account?: string;
  company?: string;
  originator?: string;
  terminator?: string;
  caller?: string;
  called?: string;
  answered?: string;
  recorded?: string;
  sipCode?: string;
  direction?: string;
  state?: string;
  callId?: string;
  after?: string;
  before?: string;
}

export const filterFields = ['from', 'to', 'account', 'company', 'originator', 'terminator', 'caller', 'called', 'answered', 'recorded', 'sipCode', 'direction', 'state', 'callId'] as const;

export function readCdrSearch(search: Record<string, unknown>): CdrSearch {
  const read: CdrSearch = {};
  for (const field of [...filterFields, 'after', 'before'] as const) {
    const value = search[field];
    if (value !== undefined && value !== null && value !== '') read[field] = String(value);
  }
  return read;
}

type Filter = NonNullable<VariablesOf<typeof CdrsQuery>['filter']>;

/** "2026-11-22 10:00" becomes an instant in UTC; what is no time stays as it is. */
export function instant(text: string | undefined): string | undefined {
  if (!text) return undefined;
  const match = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?)?Z?$/.exec(text.trim());
  return match ? `${match[1]}T${match[2] ?? '00:00'}${match[3] ?? ':00'}Z` : text;
}

/** The API's filter; empty fields are left out. */
export function filterOf(search: CdrSearch): Filter {
  const filter: Filter = {};
  for (const field of ['account', 'company', 'originator', 'terminator', 'caller', 'called', 'callId'] as const) {
    const value = search[field];
    if (value) filter[field] = value;
  }
  const from = instant(search.from);
  const to = instant(search.to);
  if (from) filter.from = from;
  if (to) filter.to = to;
  if (search.recorded) filter.recorded = search.recorded === 'true';
  if (search.sipCode && /^\d+$/.test(search.sipCode)) filter.sipCode = Number(search.sipCode);
  if (search.answered) filter.answered = search.answered === 'true';
  if (search.direction === 'INGRESS' || search.direction === 'EGRESS') filter.direction = search.direction;
  if (search.state === 'PENDING' || search.state === 'FINAL' || search.state === 'LOST') filter.state = search.state;
  return filter;
}

/** The address of the same rows as CSV. */
export function exportAddress(search: CdrSearch): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filterOf(search))) query.set(name, String(value));
  return `/export/cdrs.csv?${query}`;
}
