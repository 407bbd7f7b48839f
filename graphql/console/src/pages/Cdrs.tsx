import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from '../parts/Amount';
import { type Column, DataTable } from '../parts/DataTable';
import { clock, dayTime, keyOf, seconds } from '../parts/format';
import { Export } from '../parts/Export';
import { Page, Tag } from '../parts/Page';
import { Pager } from '../parts/Pager';
import classes from '../parts/parts.module.css';
import { useRights } from '../session';
import { type CdrSearch, exportAddress, filterFields, filterOf, readCdrSearch } from './cdrSearch';

export const CdrsQuery = graphql(`
  query Cdrs($filter: CdrFilter, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    cdrs(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
      nodes {
        id
        callId
        leg
        state
        setupAt
        caller
        called
        customerAccountId
        vendorAccountId
        originatorId
        terminatorId
        pdd
        talk
        answered
        sipCode
        cause
        emergency
        recorded
        price {
          destination
          net {
            amount
            currency
          }
        }
        margin {
          amount
          currency
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

type Row = ResultOf<typeof CdrsQuery>['cdrs']['nodes'][number];
const pageSize = 100;

export function Cdrs() {
  const { t } = useTexts();
  const { staff } = useRights();
  const navigate = useNavigate();
  const search = useSearch({ from: '/cdrs' });
  const page = search.before ? { last: pageSize, before: search.before } : { first: pageSize, ...(search.after ? { after: search.after } : {}) };
  const [{ data, error, fetching }] = useQuery({ query: CdrsQuery, variables: { filter: filterOf(search), ...page } });
  const cdrs = data?.cdrs;
  return (
    <Page
      title={t('nav.cdrs')}
      error={error}
      loading={fetching}
      actions={
        <>
          <span className={classes.note}>{t('common.keys')}</span>
          <Button component="a" href={exportAddress(search)} download size="compact-sm" variant="default">
            {t('cdr.export')}
          </Button>
          <Export list="cdrs" query={filterOf(search)} />
        </>
      }
    >
      <Filters search={search} apply={(next) => void navigate({ to: '/cdrs', search: next })} />
      <DataTable
        label={t('nav.cdrs')}
        rows={cdrs?.nodes ?? []}
        columns={useColumns(staff)}
        rowKey={(r) => r.id}
        open={(r) => void navigate({ to: '/calls/$id', params: { id: keyOf(r.callId) } })}
        faded={(r) => r.leg > 0}
        loading={fetching}
        maxHeight="calc(100vh - 218px)"
      />
      <Pager info={cdrs?.pageInfo} asOf={cdrs?.asOf} go={(to) => void navigate({ to: '/cdrs', search: { ...search, after: undefined, before: undefined, ...to } as CdrSearch })} />
    </Page>
  );
}

function useColumns(staff: boolean): Column<Row>[] {
  const { t } = useTexts();
  const columns: Column<Row>[] = [
    { id: 'setup', title: t('cdr.setup'), cell: (r) => dayTime(r.setupAt) },
    { id: 'leg', title: t('cdr.leg'), right: true, cell: (r) => r.leg },
    { id: 'caller', title: t('cdr.caller'), cell: (r) => r.caller },
    { id: 'called', title: t('cdr.called'), cell: (r) => r.called },
    { id: 'destination', title: t('cdr.destination'), cell: (r) => r.price?.destination },
    { id: 'peer', title: t('cdr.peer'), cell: (r) => keyOf(r.leg === 0 ? r.originatorId : r.terminatorId) },
    { id: 'account', title: t('account.account'), cell: (r) => keyOf(r.leg === 0 ? r.customerAccountId : r.vendorAccountId) },
    { id: 'pdd', title: t('cdr.pdd'), right: true, cell: (r) => seconds(r.pdd) },
    { id: 'talk', title: t('cdr.talk'), right: true, cell: (r) => (r.answered && r.state === 'FINAL' ? clock(r.talk) : '') },
    { id: 'code', title: t('cdr.code'), right: true, cell: (r) => r.sipCode || '' },
    { id: 'cause', title: t('cdr.cause'), cell: (r) => <Cause row={r} /> },
    { id: 'net', title: t('cdr.net'), right: true, cell: (r) => r.answered && r.state === 'FINAL' && <Amount money={r.price?.net} /> },
  ];
  if (staff) columns.push({ id: 'margin', title: t('cdr.margin'), right: true, cell: (r) => <Amount money={r.margin} currency={false} /> });
  return columns;
}

function Cause({ row }: { row: Row }) {
  const { t } = useTexts();
  if (row.state !== 'FINAL') return <Tag tone={row.state === 'LOST' ? 'bad' : 'wait'}>{t(`cdr.${row.state}`)}</Tag>;
  return (
    <>
      <Tag tone={row.answered ? 'good' : undefined}>{row.cause.replaceAll('_', ' ')}</Tag>
      {row.recorded && <Tag>{t('cdr.recorded')}</Tag>}
      {row.emergency && <Tag tone="bad">{t('cdr.emergency')}</Tag>}
    </>
  );
}

function Filters({ search, apply }: { search: CdrSearch; apply: (next: CdrSearch) => void }) {
  const { t } = useTexts();
  const { staff } = useRights();
  const [draft, setDraft] = useState(search);
  useEffect(() => setDraft(search), [search]);
  const clean = (s: CdrSearch) => readCdrSearch({ ...s, after: undefined, before: undefined });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    apply(clean(draft));
  };
  const text = (field: (typeof filterFields)[number], label: string, width: number, hint = '', first = false) => (
    <TextInput
      size="xs"
      style={{ flex: `1 1 ${width}px`, minWidth: 60 }}
      label={label}
      placeholder={hint}
      value={draft[field] ?? ''}
      onChange={(e) => setDraft({ ...draft, [field]: e.currentTarget.value })}
      {...(first ? { 'data-filter': true } : {})}
    />
  );
  const choice = (field: 'answered' | 'recorded' | 'direction' | 'state', label: string, options: [string, string][]) => (
    <NativeSelect
      size="xs"
      style={{ flex: '1 1 84px', minWidth: 60 }}
      label={label}
      value={draft[field] ?? ''}
      data={[{ value: '', label: t('common.all') }, ...options.map(([value, name]) => ({ value, label: name }))]}
      onChange={(e) => {
        const next = { ...draft, [field]: e.currentTarget.value };
        setDraft(next);
        apply(clean(next));
      }}
    />
  );
  return (
    <form className={classes.filters} onSubmit={submit}>
      {text('called', t('cdr.called'), 112, t('filter.numberHint'), true)}
      {text('caller', t('cdr.caller'), 112, t('filter.numberHint'))}
      {text('from', t('filter.from'), 124, '2026-01-31 08:00')}
      {text('to', t('filter.to'), 124, '2026-02-01')}
      {text('account', t('filter.account'), 92)}
      {staff && text('originator', t('cdr.originator'), 92)}
      {text('terminator', t('cdr.terminator'), 92)}
      {choice('direction', t('filter.direction'), [
        ['INGRESS', t('cdr.INGRESS')],
        ['EGRESS', t('cdr.EGRESS')],
      ])}
      {choice('answered', t('filter.answered'), [
        ['true', t('common.yes')],
        ['false', t('common.no')],
      ])}
      {text('sipCode', t('cdr.code'), 60)}
      {staff &&
        choice('recorded', t('cdr.recorded'), [
          ['true', t('common.yes')],
          ['false', t('common.no')],
        ])}
      {choice('state', t('cdr.state'), [
        ['PENDING', t('cdr.PENDING')],
        ['FINAL', t('cdr.FINAL')],
        ['LOST', t('cdr.LOST')],
      ])}
      <Button type="submit" size="xs" px={10} style={{ flex: 'none' }}>
        {t('common.apply')}
      </Button>
      <Button size="xs" px={8} variant="subtle" style={{ flex: 'none' }} onClick={() => apply({})}>
        {t('common.clear')}
      </Button>
    </form>
  );
}
