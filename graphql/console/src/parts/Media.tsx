import { SimpleGrid } from '@mantine/core';
import { useEffect, useState } from 'react';
import { usePolled } from '../api/client';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Chart } from './Chart';
import { DataTable } from './DataTable';
import { grouped } from './format';
import { Section } from './Page';
import classes from './parts.module.css';

const MediaQuery = graphql(`
  query LiveMedia($id: ID!) {
    liveCall(call: $id) {
      id
      media {
        at
        a {
          packets
          lost
          duplicates
          reordered
          gaps
          jitterMs
          meanJitterMs
          maxJitterMs
          longestSilence
          mos
          rttMs
          codec
          srtp
          reported {
            lost
            jitterMs
            mos
          }
          dropped {
            source
            malformed
            noPeer
            send
            auth
            replay
          }
        }
        b {
          packets
          lost
          duplicates
          reordered
          gaps
          jitterMs
          meanJitterMs
          maxJitterMs
          longestSilence
          mos
          rttMs
          codec
          srtp
          reported {
            lost
            jitterMs
            mos
          }
          dropped {
            source
            malformed
            noPeer
            send
            auth
            replay
          }
        }
      }
    }
  }
`);

type Media = NonNullable<NonNullable<ResultOf<typeof MediaQuery>['liveCall']>['media']>;
export type Quality = NonNullable<Media['a']>;

/** How many samples a chart keeps: ten minutes of them. */
const kept = 300;

const reasons = ['source', 'malformed', 'noPeer', 'send', 'auth', 'replay'] as const;

/** What is received on legs, a row each. */
export function QualityTable({ rows }: { rows: readonly { name: string; q: Quality }[] }) {
  const { t } = useTexts();
  return (
    <DataTable
      label={t('media.media')}
      rows={rows}
      rowKey={(r) => r.name}
      columns={[
        { id: 'leg', title: t('cdr.leg'), cell: (r) => r.name },
        { id: 'codec', title: t('cdr.codec'), cell: (r) => `${r.q.codec}${r.q.srtp ? ` · ${r.q.srtp}` : ''}` },
        { id: 'packets', title: t('media.packets'), right: true, cell: (r) => grouped(String(r.q.packets)) },
        { id: 'lost', title: t('media.lost'), right: true, cell: (r) => `${r.q.lost} / ${r.q.gaps}` },
        { id: 'odd', title: t('media.odd'), right: true, cell: (r) => `${r.q.duplicates} / ${r.q.reordered}` },
        { id: 'jitter', title: t('media.jitter'), right: true, cell: (r) => `${r.q.jitterMs} / ${r.q.meanJitterMs} / ${r.q.maxJitterMs}` },
        { id: 'silence', title: t('media.silence'), right: true, cell: (r) => r.q.longestSilence },
        { id: 'rtt', title: t('media.rtt'), right: true, cell: (r) => r.q.rttMs ?? '' },
        { id: 'mos', title: t('cdr.mos'), right: true, cell: (r) => r.q.mos },
        { id: 'reported', title: t('media.reported'), right: true, cell: (r) => r.q.reported && `${r.q.reported.lost} / ${r.q.reported.jitterMs} / ${r.q.reported.mos ?? '–'}` },
        {
          id: 'dropped',
          title: t('media.dropped'),
          cell: (r) =>
            reasons
              .filter((k) => r.q.dropped[k] > 0)
              .map((k) => `${t(`media.${k}`)} ${r.q.dropped[k]}`)
              .join(', '),
        },
      ]}
    />
  );
}

/** The media of a call that goes on, asked for every two seconds, with its last minutes. */
export function LiveMedia({ id }: { id: string }) {
  const { t } = useTexts();
  const { data } = usePolled(MediaQuery, { id }, 2000);
  const media = data?.liveCall?.media;
  const [past, setPast] = useState<Media[]>([]);
  useEffect(() => {
    if (media) setPast((p) => (p.at(-1)?.at === media.at ? p : [...p, media].slice(-kept)));
  }, [media]);
  if (!media) return null;
  const rows = (['a', 'b'] as const).flatMap((k) => (media[k] ? [{ name: k.toUpperCase(), q: media[k] }] : []));
  if (rows.length === 0) return null;
  const times = past.map((m) => Date.parse(m.at) / 1000);
  const lines = (of: (q: Quality) => number) =>
    (['a', 'b'] as const).filter((k) => media[k]).map((k) => ({ label: k.toUpperCase(), color: k === 'a' ? '#1c7ed6' : '#e8590c', values: past.map((m) => (m[k] ? of(m[k]) : 0)) }));
  return (
    <Section title={t('media.live')}>
      <QualityTable rows={rows} />
      <SimpleGrid cols={{ base: 1, md: 3 }} spacing={12}>
        <Figure title={t('cdr.mos')}>
          <Chart label={t('cdr.mos')} times={times} lines={lines((q) => Number(q.mos))} height={110} clock />
        </Figure>
        <Figure title={t('media.jitterMs')}>
          <Chart label={t('media.jitterMs')} times={times} lines={lines((q) => Number(q.jitterMs))} height={110} clock />
        </Figure>
        <Figure title={t('media.lost')}>
          <Chart label={t('media.lost')} times={times} lines={lines((q) => q.lost)} height={110} clock />
        </Figure>
      </SimpleGrid>
    </Section>
  );
}

function Figure({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div>
      <div className={classes.note}>{title}</div>
      {children}
    </div>
  );
}
