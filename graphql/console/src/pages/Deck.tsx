import { Button, NativeSelect, TextInput } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { DeckForm } from '../parts/DeckForm';
import { fullTime, grouped, rate } from '../parts/format';
import { Page, Tag } from '../parts/Page';
import { Pager } from '../parts/Pager';
import classes from '../parts/parts.module.css';
import { useRights } from '../session';

const DeckQuery = graphql(`
  query Deck($id: ID!) {
    deck(id: $id) {
      key
      name
      currency
      rounding
      decimals
      taxRate
      taxInclusive
      timeZone
      bands {
        name
        hours {
          fromMinute
          toMinute
        }
      }
      bandsSplit
      noticeDays
      company {
        key
      }
      version
      versions {
        id
        number
        effectiveFrom
        rowCount
        source
      }
    }
  }
`);

const RowsQuery = graphql(`
  query DeckRows($id: ID!, $prefix: String, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    node(id: $id) {
      ... on DeckVersion {
        rows(prefix: $prefix, first: $first, after: $after, last: $last, before: $before) {
          nodes {
            row
            prefix
            destination
            priceFirst
            priceNext
            intervalFirst
            intervalNext
            freeSeconds
            connectFee
            attemptFee
            minimum
            blocked
            origin
            band
            minLength
            maxLength
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
    }
  }
`);

export function DeckPage() {
  const { t } = useTexts();
  const { money } = useRights();
  const { key } = useParams({ from: '/decks/$key' });
  const [{ data, error, fetching }, again] = useQuery({ query: DeckQuery, variables: { id: `deck:${key}` } });
  const [chosen, setChosen] = useState('');
  const [prefix, setPrefix] = useState('');
  const [editing, setEditing] = useState(false);
  const deck = data?.deck;
  const version = deck?.versions.find((v) => v.id === chosen) ?? deck?.versions[0];
  return (
    <Page
      title={deck ? `${deck.name || key} · ${deck.currency}` : key}
      error={error}
      loading={fetching}
      actions={
        deck && (
          <>
            {version && (
              <>
                <Button component="a" size="compact-sm" variant="default" href={`/export/deck.csv?deck=${key}&version=${version.number}`}>
                  CSV
                </Button>
                <Button component="a" size="compact-sm" variant="default" href={`/export/deck.xlsx?deck=${key}&version=${version.number}`}>
                  XLSX
                </Button>
              </>
            )}
            {money && (
              <>
                <Button size="compact-sm" variant="default" onClick={() => setEditing(true)}>
                  {t('edit.edit')}
                </Button>
                <Link to="/decks/$key/import" params={{ key }} className={classes.action}>
                  {t('deck.import')}
                </Link>
              </>
            )}
          </>
        )
      }
    >
      {data && !deck && <div className={classes.empty}>{t('common.notFound')}</div>}
      {deck && version && (
        <>
          <div style={{ display: 'flex', gap: 8 }}>
            <NativeSelect
              size="xs"
              label={t('deck.version')}
              value={version.id}
              onChange={(e) => setChosen(e.currentTarget.value)}
              data={deck.versions.map((v) => ({ value: v.id, label: `${v.number} · ${fullTime(v.effectiveFrom)} · ${grouped(String(v.rowCount))} · ${v.source}` }))}
            />
            <TextInput size="xs" w={140} label={t('deck.prefix')} placeholder={t('filter.numberHint')} value={prefix} onChange={(e) => setPrefix(e.currentTarget.value.replace(/\D/g, ''))} data-filter />
          </div>
          <Rows key={version.id + prefix} id={version.id} prefix={prefix} />
        </>
      )}
      {deck && !version && <div className={classes.empty}>{t('common.none')}</div>}
      {editing && deck && <DeckForm of={deck} close={() => setEditing(false)} changed={() => again({ requestPolicy: 'network-only' })} />}
    </Page>
  );
}

const unlessZero = (decimal: string): string => (/^0\.0+$/.test(decimal) ? '' : rate(decimal));

function Rows({ id, prefix }: { id: string; prefix: string }) {
  const { t } = useTexts();
  const [page, setPage] = useState<{ after?: string; before?: string }>({});
  const span = page.before ? { last: 100, before: page.before } : { first: 100, ...page };
  const [{ data, fetching }] = useQuery({ query: RowsQuery, variables: { id, prefix, ...span } });
  const node = data?.node;
  const rows = node && 'rows' in node ? node.rows : undefined;
  return (
    <>
      <DataTable
        label={t('deck.rows')}
        rows={rows?.nodes ?? []}
        rowKey={(r) => String(r.row)}
        loading={fetching}
        maxHeight="calc(100vh - 200px)"
        columns={[
          { id: 'row', title: '#', right: true, cell: (r) => r.row },
          { id: 'prefix', title: t('deck.prefix'), cell: (r) => r.prefix },
          { id: 'scope', title: t('deck.scope'), cell: (r) => [r.origin, r.band, r.minLength || r.maxLength ? `${r.minLength || ''}–${r.maxLength || ''}` : ''].filter(Boolean).join(' · ') },
          { id: 'destination', title: t('cdr.destination'), cell: (r) => r.destination },
          { id: 'first', title: t('deck.priceFirst'), right: true, cell: (r) => rate(r.priceFirst) },
          { id: 'next', title: t('deck.priceNext'), right: true, cell: (r) => rate(r.priceNext) },
          { id: 'increments', title: t('deck.increments'), right: true, cell: (r) => `${r.intervalFirst}/${r.intervalNext}/${r.freeSeconds}` },
          { id: 'fee', title: t('deck.connectFee'), right: true, cell: (r) => unlessZero(r.connectFee) },
          { id: 'attempt', title: t('deck.attemptFee'), right: true, cell: (r) => unlessZero(r.attemptFee) },
          { id: 'minimum', title: t('deck.minimum'), right: true, cell: (r) => unlessZero(r.minimum) },
          { id: 'blocked', title: '', cell: (r) => r.blocked && <Tag tone="bad">{t('deck.blocked')}</Tag> },
        ]}
      />
      <Pager info={rows?.pageInfo} asOf={rows?.asOf} go={setPage} />
    </>
  );
}
