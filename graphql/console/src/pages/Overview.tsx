import { SimpleGrid } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { usePolled } from '../api/client';
import { useFeed } from '../api/feed';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from '../parts/Amount';
import { Chart } from '../parts/Chart';
import { DataTable } from '../parts/DataTable';
import { clock, percent, seconds } from '../parts/format';
import { Heard, Page, Section, Tag } from '../parts/Page';
import classes from '../parts/parts.module.css';

const OverviewQuery = graphql(`
  query Overview {
    overview {
      callsNow
      talkingNow
      window {
        attempts
        answered
        asr
        acd
        pdd
      }
      minutes {
        at
        attempts
        answered
      }
      today {
        currency
        charged {
          amount
          currency
        }
        cost {
          amount
          currency
        }
        margin {
          amount
          currency
        }
      }
      ledgerSums {
        amount
        currency
      }
      asOf {
        position
        lagMs
      }
    }
    thisNode {
      name
      version
      calls
      maxCalls
      draining
      overload {
        perSecond
        waiting
        refused
      }
      badDescriptions
      malformedMessages
      rejectedMessages
      bannedSources
      transactions
      mediaEngine
      mediaEngineReason
      mediaByKernel
      mediaDrops {
        reason
        packets
      }
      memory
    }
  }
`);

const AlertsQuery = graphql(`
  query Alerts {
    alerts(first: 100) {
      nodes {
        kind
        account {
          key
        }
        balance {
          amount
          currency
        }
        threshold {
          amount
          currency
        }
      }
    }
  }
`);

const AlertsFeed = graphql(`
  subscription AlertsFeed($after: Cursor) {
    alerts(after: $after) {
      cursor
      whole
      raised {
        kind
        account {
          key
        }
        balance {
          amount
          currency
        }
        threshold {
          amount
          currency
        }
      }
      cleared {
        kind
        account {
          key
        }
      }
    }
  }
`);

type Data = ResultOf<typeof OverviewQuery>['overview'];
type NodeData = ResultOf<typeof OverviewQuery>['thisNode'];
type Alerts = ResultOf<typeof AlertsQuery>['alerts']['nodes'];

interface Raised {
  cursor: string;
  rows: Map<string, Alerts[number]>;
}

const alertKey = (a: { account: { key: string }; kind: string }) => `${a.account.key} ${a.kind}`;

/** The alerts after what was heard, by account. */
function alertsAfter(before: Raised | undefined, { alerts }: ResultOf<typeof AlertsFeed>): Raised {
  const rows = new Map(alerts.whole ? [] : before?.rows);
  for (const a of alerts.cleared) rows.delete(alertKey(a));
  for (const a of alerts.raised) rows.set(alertKey(a), a);
  return { cursor: alerts.cursor, rows };
}

/** The raised alerts as they change; while nothing is heard, as they are asked for. */
function useAlerts() {
  const feed = useFeed(AlertsFeed, { variables: (state: Raised | undefined) => (state ? { after: state.cursor } : {}), fold: alertsAfter });
  const { data } = usePolled(AlertsQuery, {}, feed.live ? 0 : 2000);
  if (feed.live && feed.state) return { live: true, rows: [...feed.state.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row) };
  return { live: false, rows: [...(data?.alerts.nodes ?? [])] };
}

export function Overview() {
  const { t } = useTexts();
  const { data, error } = usePolled(OverviewQuery, {}, 2000);
  const alerts = useAlerts();
  const o = data?.overview;
  return (
    <Page title={t('nav.overview')} error={error} asOf={o?.asOf} loading={!o && !error}>
      {o && (
        <>
          <SimpleGrid cols={{ base: 2, md: 4 }} spacing={10}>
            <Figure label={t('overview.callsNow')} value={o.callsNow} note={t('overview.talking', { n: o.talkingNow })} />
            <Figure
              label={t('overview.asr')}
              value={o.window.asr ? `${percent(o.window.asr)} %` : '–'}
              note={`${o.window.answered} / ${o.window.attempts}, ${t('overview.window')}`}
            />
            <Figure label={t('overview.acd')} value={o.window.acd ? clock(o.window.acd) : '–'} note={t('overview.window')} />
            <Figure label={t('overview.pdd')} value={o.window.pdd ? `${seconds(o.window.pdd)} s` : '–'} note={t('overview.window')} />
          </SimpleGrid>
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing={16}>
            <Section title={t('overview.sinceOpened')}>
              <div className={classes.panel}>
                <Now data={o} />
              </div>
            </Section>
            <Section title={t('overview.hour')}>
              <div className={classes.panel}>
                <Minutes data={o} />
              </div>
            </Section>
          </SimpleGrid>
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing={16}>
            <Section title={t('overview.today')}>
              <Today data={o} />
            </Section>
            <Section title={t('overview.ledger')}>
              <DataTable
                label={t('overview.ledger')}
                rows={o.ledgerSums}
                rowKey={(m) => m.currency}
                columns={[
                  { id: 'currency', title: t('account.currency'), cell: (m) => m.currency },
                  { id: 'sum', title: t('overview.balanced'), right: true, cell: (m) => <Amount money={m} currency={false} /> },
                  { id: 'whole', title: '', right: true, cell: (m) => (/^-?0\.0+$/.test(m.amount) ? <Tag tone="good">0</Tag> : <Tag tone="bad">≠ 0</Tag>) },
                ]}
              />
            </Section>
          </SimpleGrid>
          <Section title={t('alerts.title')} actions={<Heard live={alerts.live} />}>
            <AlertTable rows={alerts.rows} />
          </Section>
          {data && (
            <Section title={`${t('node.title')}: ${data.thisNode.name}, ${data.thisNode.version}`}>
              <ThisNode node={data.thisNode} />
            </Section>
          )}
        </>
      )}
    </Page>
  );
}

/** What a person looks at when calls are refused: all counts are since the node's start. */
function ThisNode({ node }: { node: NodeData }) {
  const { t } = useTexts();
  const limit = node.overload.perSecond;
  const drops = node.mediaDrops.reduce((sum, d) => sum + d.packets, 0);
  const rows: { id: string; label: string; value: ReactNode; bad: boolean }[] = [
    {
      id: 'limit',
      label: t('node.limit'),
      value: `${limit === null ? t('node.unlimited') : t('node.perSecond', { n: limit })}, ${t('node.waiting', { n: node.overload.waiting })}`,
      bad: limit !== null,
    },
    { id: 'refused', label: t('node.refused'), value: node.overload.refused, bad: false },
    { id: 'bad', label: t('node.bad'), value: node.badDescriptions, bad: false },
    { id: 'malformed', label: t('node.malformed'), value: node.malformedMessages, bad: false },
    { id: 'rejected', label: t('node.rejected'), value: node.rejectedMessages, bad: false },
    { id: 'banned', label: t('node.banned'), value: node.bannedSources, bad: node.bannedSources > 0 },
    {
      id: 'engine',
      label: t('node.engine'),
      value: (
        <span title={node.mediaEngineReason}>
          {node.mediaEngine === 'ebpf' ? t('node.byKernel', { engine: node.mediaEngine, n: node.mediaByKernel }) : node.mediaEngine}
        </span>
      ),
      bad: false,
    },
    {
      id: 'drops',
      label: t('node.drops'),
      value: drops === 0 ? 0 : `${drops} (${node.mediaDrops.map((d) => `${d.reason} ${d.packets}`).join(', ')})`,
      bad: false,
    },
    { id: 'transactions', label: t('node.transactions'), value: node.transactions, bad: false },
    { id: 'memory', label: t('node.memory'), value: `${Math.round(Number(node.memory) / 1e6)} MB`, bad: false },
  ];
  return (
    <DataTable
      label={t('node.title')}
      rows={rows}
      rowKey={(r) => r.id}
      columns={[
        { id: 'what', title: t('node.of', { n: node.calls, most: node.maxCalls }), cell: (r) => r.label },
        { id: 'value', title: node.draining ? t('node.draining') : '', right: true, cell: (r) => (r.bad ? <Tag tone="bad">{r.value}</Tag> : r.value) },
      ]}
    />
  );
}

/** The thresholds that accounts have crossed and not come back from. */
function AlertTable({ rows }: { rows: Alerts }) {
  const { t } = useTexts();
  const navigate = useNavigate();
  return (
    <DataTable
      label={t('alerts.title')}
      rows={rows}
      rowKey={alertKey}
      open={(a) => void navigate({ to: '/accounts/$key', params: { key: a.account.key }, search: {} })}
      columns={[
        { id: 'account', title: t('account.account'), cell: (a) => a.account.key },
        { id: 'kind', title: t('alerts.title'), cell: (a) => <Tag tone="bad">{t(`alerts.${a.kind}`)}</Tag> },
        { id: 'balance', title: t('alerts.balance'), right: true, cell: (a) => <Amount money={a.balance} /> },
        { id: 'threshold', title: t('alerts.threshold'), right: true, cell: (a) => <Amount money={a.threshold} /> },
      ]}
    />
  );
}

function Figure({ label, value, note }: { label: string; value: ReactNode; note: string }) {
  return (
    <div className={classes.panel}>
      <div className={classes.label}>{label}</div>
      <div className={classes.big}>{value}</div>
      <div className={classes.note}>{note}</div>
    </div>
  );
}

interface Sample {
  at: number;
  calls: number;
  talking: number;
}

/** Fifteen minutes of answers, two seconds apart. */
const samplesKept = 450;

/** The calls at once, as the answers came since the page was opened. */
function Now({ data }: { data: Data }) {
  const { t } = useTexts();
  const [samples, setSamples] = useState<Sample[]>([]);
  useEffect(() => {
    const sample = { at: Date.now() / 1000, calls: data.callsNow, talking: data.talkingNow };
    setSamples((before) => [...before.slice(1 - samplesKept), sample]);
  }, [data]);
  return (
    <Chart
      label={t('overview.sinceOpened')}
      height={190}
      clock
      times={samples.map((s) => s.at)}
      lines={[
        { label: t('overview.calls'), color: '#2c79b2', values: samples.map((s) => s.calls), fill: true },
        { label: t('overview.talkingLine'), color: '#3c9160', values: samples.map((s) => s.talking) },
      ]}
    />
  );
}

function Minutes({ data }: { data: Data }) {
  const { t } = useTexts();
  return (
    <Chart
      label={t('overview.hour')}
      height={190}
      times={data.minutes.map((m) => Date.parse(m.at) / 1000)}
      lines={[
        { label: t('overview.attempts'), color: '#a8742a', values: data.minutes.map((m) => m.attempts), fill: true },
        { label: t('overview.answered'), color: '#3c9160', values: data.minutes.map((m) => m.answered) },
      ]}
    />
  );
}

function Today({ data }: { data: Data }) {
  const { t } = useTexts();
  return (
    <DataTable
      label={t('overview.today')}
      rows={data.today}
      rowKey={(d) => d.currency}
      columns={[
        { id: 'currency', title: t('account.currency'), cell: (d) => d.currency },
        { id: 'charged', title: t('overview.charged'), right: true, cell: (d) => <Amount money={d.charged} currency={false} /> },
        { id: 'cost', title: t('overview.cost'), right: true, cell: (d) => <Amount money={d.cost} currency={false} /> },
        { id: 'margin', title: t('overview.margin'), right: true, cell: (d) => <Amount money={d.margin} currency={false} /> },
      ]}
    />
  );
}
