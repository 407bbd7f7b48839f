import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { graphql, type ResultOf, type VariablesOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from '../parts/Amount';
import { type Column, DataTable } from '../parts/DataTable';
import { clock, dayTime, keyOf, percent, seconds } from '../parts/format';
import { Export } from '../parts/Export';
import { Page } from '../parts/Page';
import classes from '../parts/parts.module.css';
import { useRights } from '../session';
import { instant } from './cdrSearch';

const ReportQuery = graphql(`
  query Report($filter: ReportFilter!, $groupBy: [ReportGroup!]) {
    report(filter: $filter, groupBy: $groupBy, first: 2000) {
      rows {
        hour
        day
        companyId
        accountId
        originatorId
        terminatorId
        prefix
        destination
        currency
        attempts
        answered
        asr
        ner
        acd
        pdd
        billed
        sell {
          amount
          currency
        }
        buy {
          amount
          currency
        }
        margins {
          amount
          currency
        }
      }
      more
      store
      asOf {
        position
        lagMs
      }
    }
  }
`);

type Row = ResultOf<typeof ReportQuery>['report']['rows'][number];
type Filter = VariablesOf<typeof ReportQuery>['filter'];
type Group = NonNullable<NonNullable<VariablesOf<typeof ReportQuery>['groupBy']>[number]>;

const groups = ['HOUR', 'DAY', 'COMPANY', 'ACCOUNT', 'ORIGINATOR', 'TERMINATOR', 'PREFIX', 'DESTINATION'] as const;

/** The question of a report, as it stands in the address. Everything is text. */
export interface ReportSearch {
  from?: string;
  to?: string;
  direction?: string;
  by?: string;
  account?: string;
  company?: string;
  terminator?: string;
}

const fields = ['from', 'to', 'direction', 'by', 'account', 'company', 'terminator'] as const;

export function readReportSearch(search: Record<string, unknown>): ReportSearch {
  const read: ReportSearch = {};
  for (const field of fields) {
    const value = search[field];
    if (typeof value === 'string' && value !== '') read[field] = value;
  }
  return read;
}

/** The day so many days ago, in UTC. */
function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}

function filterOf(search: ReportSearch): Filter {
  const filter: Filter = { from: instant(search.from ?? daysAgo(6)) ?? '', direction: search.direction === 'EGRESS' ? 'EGRESS' : 'INGRESS' };
  const to = instant(search.to);
  if (to) filter.to = to;
  for (const field of ['account', 'company', 'terminator'] as const) {
    const value = search[field];
    if (value) filter[field] = value;
  }
  return filter;
}

function groupsOf(search: ReportSearch): Group[] {
  const wanted = (search.by ?? 'DAY').split('.');
  return groups.filter((g) => wanted.includes(g));
}

/** Sums of CDRs: traffic, quality and money by what they are grouped by. */
export function Reports() {
  const { t } = useTexts();
  const { staff } = useRights();
  const navigate = useNavigate();
  const search = useSearch({ from: '/reports' });
  const by = groupsOf(search);
  const [{ data, error, fetching }] = useQuery({ query: ReportQuery, variables: { filter: filterOf(search), groupBy: by } });
  const report = data?.report;
  const apply = (next: ReportSearch) => void navigate({ to: '/reports', search: readReportSearch({ ...next }) });
  return (
    <Page title={t('nav.reports')} error={error} loading={fetching} asOf={report?.asOf} actions={<Export list="report" query={{ ...filterOf(search), groupBy: by.join(',') }} />}>
      <Question search={search} staff={staff} apply={apply} />
      {report?.more && <p className={classes.note}>{t('report.more')}</p>}
      <DataTable
        label={t('nav.reports')}
        rows={report?.rows ?? []}
        columns={useColumns(by, filterOf(search).direction === 'EGRESS', staff)}
        rowKey={(r) => [r.hour, r.day, r.companyId, r.accountId, r.originatorId, r.terminatorId, r.prefix, r.destination, r.currency].join(' ')}
        loading={fetching}
        maxHeight="calc(100vh - 250px)"
      />
      {report && <p className={classes.note}>{t(`report.${report.store}`)}</p>}
    </Page>
  );
}

function useColumns(by: Group[], egress: boolean, staff: boolean): Column<Row>[] {
  const { t } = useTexts();
  const group: Record<Group, (r: Row) => string> = {
    HOUR: (r) => dayTime(r.hour),
    DAY: (r) => r.day ?? '',
    COMPANY: (r) => keyOf(r.companyId),
    ACCOUNT: (r) => keyOf(r.accountId),
    ORIGINATOR: (r) => keyOf(r.originatorId),
    TERMINATOR: (r) => keyOf(r.terminatorId),
    PREFIX: (r) => r.prefix ?? '',
    DESTINATION: (r) => r.destination ?? '',
  };
  const columns: Column<Row>[] = by.map((g) => ({ id: g, title: t(`report.${g}`), cell: group[g] }));
  columns.push(
    { id: 'attempts', title: t('report.attempts'), right: true, cell: (r) => r.attempts },
    { id: 'answered', title: t('report.answered'), right: true, cell: (r) => r.answered },
    { id: 'asr', title: 'ASR', right: true, cell: (r) => r.asr && `${percent(r.asr)} %` },
    { id: 'ner', title: 'NER', right: true, cell: (r) => r.ner && `${percent(r.ner)} %` },
    { id: 'acd', title: 'ACD', right: true, cell: (r) => r.acd && clock(r.acd) },
    { id: 'pdd', title: 'PDD', right: true, cell: (r) => r.pdd && `${seconds(r.pdd)} s` },
    { id: 'billed', title: t('report.billed'), right: true, cell: (r) => clock(r.billed) },
  );
  if (!egress) columns.push({ id: 'sell', title: t('report.sell'), right: true, cell: (r) => <Amount money={r.sell} /> });
  if (staff || egress) columns.push({ id: 'buy', title: t('report.buy'), right: true, cell: (r) => <Amount money={r.buy} /> });
  if (staff && !egress) {
    columns.push({
      id: 'margin',
      title: t('cdr.margin'),
      right: true,
      cell: (r) => r.margins.map((m) => <Amount key={m.currency} money={m} />),
    });
  }
  return columns;
}

interface QuestionProps {
  search: ReportSearch;
  staff: boolean;
  apply: (next: ReportSearch) => void;
}

function Question({ search, staff, apply }: QuestionProps) {
  const { t } = useTexts();
  const [draft, setDraft] = useState(search);
  useEffect(() => setDraft(search), [search]);
  const by = groupsOf(draft);
  const egress = draft.direction === 'EGRESS';
  const hidden = (g: Group) => !staff && g === (egress ? 'ORIGINATOR' : 'TERMINATOR');
  const toggle = (g: Group) => apply({ ...draft, by: groups.filter((x) => (x === g) !== by.includes(x)).join('.') || 'NONE' });
  const text = (field: 'from' | 'to' | 'account' | 'company' | 'terminator', label: string, placeholder = '') => (
    <TextInput
      key={field}
      size="xs"
      label={label}
      placeholder={placeholder}
      value={draft[field] ?? ''}
      onChange={(e) => setDraft({ ...draft, [field]: e.currentTarget.value })}
    />
  );
  return (
    <form
      className={classes.filters}
      style={{ flexWrap: 'wrap' }}
      onSubmit={(e: FormEvent) => {
        e.preventDefault();
        apply(draft);
      }}
    >
      {text('from', t('filter.from'), daysAgo(6))}
      {text('to', t('filter.to'))}
      <NativeSelect
        size="xs"
        style={{ minWidth: 96 }}
        label={t('filter.direction')}
        value={egress ? 'EGRESS' : 'INGRESS'}
        onChange={(e) => apply({ ...draft, direction: e.currentTarget.value })}
        data={[
          { value: 'INGRESS', label: t('cdr.INGRESS') },
          { value: 'EGRESS', label: t('cdr.EGRESS') },
        ]}
      />
      {staff && text('company', t('report.COMPANY'))}
      {text('account', t('account.account'))}
      {staff && text('terminator', t('cdr.terminator'))}
      <Button type="submit" size="xs" variant="default" style={{ flex: 'none' }}>
        {t('report.show')}
      </Button>
      {[0, 6, 29, 89].map((days) => (
        <Button key={days} size="xs" px={8} variant="subtle" style={{ flex: 'none' }} onClick={() => apply({ ...draft, from: daysAgo(days), to: '' })}>
          {t('report.days', { n: days + 1 })}
        </Button>
      ))}
      <fieldset className={classes.groups}>
        <legend>{t('report.by')}</legend>
        {groups.map((g) =>
          hidden(g) ? null : (
            <label key={g}>
              <input type="checkbox" checked={by.includes(g)} onChange={() => toggle(g)} /> {t(`report.${g}`)}
            </label>
          ),
        )}
      </fieldset>
    </form>
  );
}
