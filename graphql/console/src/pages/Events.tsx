import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, Fragment, useEffect, useState } from 'react';
import { usePolled } from '../api/client';
import { useFeed } from '../api/feed';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from '../parts/Amount';
import { type Column, DataTable } from '../parts/DataTable';
import { fullTime, keyOf } from '../parts/format';
import { Heard, Page, Tag } from '../parts/Page';
import { Pager } from '../parts/Pager';
import classes from '../parts/parts.module.css';
import { useRights } from '../session';

const EventsQuery = graphql(`
  query Events($first: Int, $after: Cursor, $last: Int, $before: Cursor, $subject: ID, $kinds: [EventKind!], $staff: Boolean!) {
    events(first: $first, after: $after, last: $last, before: $before, subject: $subject, kinds: $kinds) {
      nodes {
        id
        position
        at
        kind
        actor
        subjects
        text @include(if: $staff)
        entries {
          id
          accountName
          amount {
            amount
            currency
          }
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const EventsFeed = graphql(`
  subscription EventsFeed($after: Cursor, $subject: ID, $kinds: [EventKind!], $staff: Boolean!) {
    events(after: $after, subject: $subject, kinds: $kinds) {
      cursor
      id
      position
      at
      kind
      actor
      subjects
      text @include(if: $staff)
      entries {
        id
        accountName
        amount {
          amount
          currency
        }
      }
    }
  }
`);

type Event = ResultOf<typeof EventsQuery>['events']['nodes'][number];
type Kind = Event['kind'];

const kinds: Kind[] = [
  'MONEY_POSTED',
  'CALL_CHARGED',
  'HOLD_PLACED',
  'HOLD_EXTENDED',
  'HOLD_RELEASED',
  'ROUTE_ADVANCED',
  'HOLD_CLAIMED',
  'CHARGE_CONTESTED',
  'OFFLINE_WRITTEN_UP',
  'ALERT_RAISED',
  'ALERT_CLEARED',
  'PERIOD_CLOSED',
  'CHANGE_SET_ACCEPTED',
  'KEEPER_OPENED',
  'STORE_RESCUED',
];

/** Partners have no holds, and nothing that names no account. */
const partnerKinds: Kind[] = ['MONEY_POSTED', 'CALL_CHARGED', 'OFFLINE_WRITTEN_UP', 'ALERT_RAISED', 'ALERT_CLEARED', 'PERIOD_CLOSED'];

const bad = new Set<Kind>(['CHARGE_CONTESTED', 'ALERT_RAISED', 'STORE_RESCUED']);
const pageSize = 100;
/** How many rows the live tail keeps. */
const rowsKept = 500;

export interface EventSearch {
  subject?: string;
  kind?: Kind;
  after?: string;
  before?: string;
}

export function readEventSearch(search: Record<string, unknown>): EventSearch {
  const found: EventSearch = {};
  const text = (name: string) => (typeof search[name] === 'string' && search[name] ? search[name] : undefined);
  const [subject, after, before] = [text('subject'), text('after'), text('before')];
  const kind = kinds.find((k) => k === search['kind']);
  if (subject) found.subject = subject;
  if (kind) found.kind = kind;
  if (after) found.after = after;
  else if (before) found.before = before;
  return found;
}

interface Tail {
  cursor: string;
  rows: Event[];
}

/** What the book decided, the newest first; on the newest page each event as it comes. */
export function Events() {
  const search = useSearch({ from: '/events' });
  return <EventList key={JSON.stringify(search)} search={search} />; // another page begins with nothing
}

function EventList({ search }: { search: EventSearch }) {
  const { t } = useTexts();
  const { staff } = useRights();
  const navigate = useNavigate();
  const [listening, setListening] = useState(true);
  const filter = { ...(search.subject ? { subject: search.subject } : {}), ...(search.kind ? { kinds: [search.kind] } : {}), staff };
  const page = search.after ? { first: pageSize, after: search.after } : { last: pageSize, ...(search.before ? { before: search.before } : {}) };
  const newest = !search.after && !search.before;
  const [live, setLive] = useState(false);
  const { data, error, fetching } = usePolled(EventsQuery, { ...page, ...filter }, newest && listening && !live ? 2000 : 0);
  const events = data?.events;
  const info = events?.pageInfo;
  const end = info?.endCursor ?? '';
  const feed = useFeed(EventsFeed, {
    key: end,
    pause: !newest || !listening || !events,
    variables: (tail: Tail | undefined) => ({ ...filter, ...(tail?.cursor || end ? { after: tail?.cursor ?? end } : {}) }),
    fold: (tail: Tail | undefined, { events: e }: ResultOf<typeof EventsFeed>) => ({ cursor: e.cursor, rows: [e, ...(tail?.rows ?? [])].slice(0, rowsKept) }),
  });
  useEffect(() => setLive(feed.live), [feed.live]);
  const rows = [...(newest ? (feed.state?.rows ?? []) : []), ...[...(events?.nodes ?? [])].reverse()].slice(0, rowsKept);
  const go = (to: EventSearch) => void navigate({ to: '/events', search: { ...(search.subject ? { subject: search.subject } : {}), ...(search.kind ? { kind: search.kind } : {}), ...to } });
  const last = search.after && info && !info.hasNextPage;
  useEffect(() => {
    if (last) void navigate({ to: '/events', search: ({ after: _, ...rest }) => rest, replace: true });
  }, [last, navigate]);
  // The list of the API has the oldest first, this page the newest.
  const turned = info && { hasNextPage: info.hasPreviousPage, hasPreviousPage: info.hasNextPage && !newest, startCursor: info.endCursor, endCursor: info.startCursor };
  return (
    <Page
      title={t('nav.events')}
      error={error}
      loading={fetching}
      actions={
        newest && (
          <>
            {listening && <Heard live={feed.live} />}
            <Button size="compact-sm" variant="default" aria-pressed={listening} onClick={() => setListening(!listening)}>
              {t(listening ? 'events.pause' : 'events.listen')}
            </Button>
          </>
        )
      }
    >
      <Filter search={search} kinds={staff ? kinds : partnerKinds} />
      <DataTable label={t('nav.events')} rows={rows} rowKey={(e) => e.id} loading={fetching} maxHeight="calc(100vh - 220px)" columns={columns(t, staff)} />
      <Pager info={turned} asOf={events?.asOf} go={({ after, before }) => go(before ? { after: before } : after ? { before: after } : {})} />
    </Page>
  );
}

function columns(t: ReturnType<typeof useTexts>['t'], staff: boolean): Column<Event>[] {
  return [
    { id: 'at', title: t('audit.at'), cell: (e) => fullTime(e.at) },
    { id: 'kind', title: t('audit.kind'), cell: (e) => <Tag tone={bad.has(e.kind) ? 'bad' : undefined}>{t(`event.${e.kind}`)}</Tag> },
    ...(staff ? [{ id: 'text', title: t('events.text'), cell: (e: Event) => e.text }] : []),
    { id: 'subjects', title: t('events.subjects'), cell: (e) => <Subjects ids={e.subjects} /> },
    {
      id: 'entries',
      title: t('events.entries'),
      cell: (e) =>
        // The switch's own side of a movement stands on the call's page.
        e.entries.filter((entry) => !entry.accountName.startsWith('own/')).map((entry, i) => (
          <Fragment key={entry.id}>
            {i > 0 && ' · '}
            {entry.accountName} <Amount money={entry.amount} />
          </Fragment>
        )),
    },
    { id: 'actor', title: t('audit.actor'), cell: (e) => e.actor },
    { id: 'position', title: t('entry.position'), right: true, cell: (e) => e.position },
  ];
}

/** What an event is about: accounts and calls lead to their pages, companies to their events. */
function Subjects({ ids }: { ids: readonly string[] }) {
  return ids.map((id, i) => (
    <Fragment key={id}>
      {i > 0 && ' '}
      {id.startsWith('account:') ? (
        <Link className={classes.link} to="/accounts/$key" params={{ key: keyOf(id) }} search={{}}>
          {keyOf(id)}
        </Link>
      ) : id.startsWith('call:') ? (
        <Link className={classes.link} to="/calls/$id" params={{ id: keyOf(id) }}>
          {keyOf(id).slice(-8)}
        </Link>
      ) : (
        <Link className={classes.link} to="/events" search={{ subject: id }}>
          {keyOf(id)}
        </Link>
      )}
    </Fragment>
  ));
}

function Filter({ search, kinds: offered }: { search: EventSearch; kinds: Kind[] }) {
  const { t } = useTexts();
  const navigate = useNavigate();
  const [subject, setSubject] = useState(search.subject ?? '');
  const [kind, setKind] = useState<string>(search.kind ?? '');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = subject.trim();
    // A call's id is written without its kind, as it stands in a CDR.
    const id = given && !given.includes(':') ? `${/^[0-9a-f-]{36}$/.test(given) ? 'call' : 'account'}:${given}` : given;
    void navigate({ to: '/events', search: readEventSearch({ subject: id, kind }) });
  };
  return (
    <form onSubmit={submit}>
      <Group gap={8} align="end">
        <TextInput size="xs" w={330} data-filter label={t('events.subject')} placeholder="account:acme-usd" value={subject} onChange={(e) => setSubject(e.currentTarget.value)} />
        <NativeSelect
          size="xs"
          label={t('audit.kind')}
          value={kind}
          data={[{ value: '', label: t('common.all') }, ...offered.map((k) => ({ value: k, label: t(`event.${k}`) }))]}
          onChange={(e) => setKind(e.currentTarget.value)}
        />
        <Button size="xs" type="submit">
          {t('common.apply')}
        </Button>
        <Button size="xs" variant="default" onClick={() => void navigate({ to: '/events', search: {} })}>
          {t('common.clear')}
        </Button>
      </Group>
    </form>
  );
}
