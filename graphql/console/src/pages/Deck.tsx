import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { DeckImport } from '../parts/DeckImport';
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
            blocked
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
  const [importing, setImporting] = useState(false);
  const deck = data?.deck;
  const version = deck?.versions.find((v) => v.id === chosen) ?? deck?.versions[0];
  return (
    <Page
      title={deck ? `${deck.name || key} · ${deck.currency}` : key}
      error={error}
      loading={fetching}
      actions={
        deck &&
        money && (
          <Button size="compact-sm" onClick={() => setImporting(true)}>
            {t('deck.import')}
          </Button>
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
      {importing && (
        <DeckImport
          deck={key}
          close={() => {
            setImporting(false);
            setChosen('');
            again({ requestPolicy: 'network-only' });
          }}
        />
      )}
    </Page>
  );
}

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
        rowKey={(r) => r.prefix}
        loading={fetching}
        maxHeight="calc(100vh - 200px)"
        columns={[
          { id: 'row', title: '#', right: true, cell: (r) => r.row },
          { id: 'prefix', title: t('deck.prefix'), cell: (r) => r.prefix },
          { id: 'destination', title: t('cdr.destination'), cell: (r) => r.destination },
          { id: 'first', title: t('deck.priceFirst'), right: true, cell: (r) => rate(r.priceFirst) },
          { id: 'next', title: t('deck.priceNext'), right: true, cell: (r) => rate(r.priceNext) },
          { id: 'increments', title: t('deck.increments'), right: true, cell: (r) => `${r.intervalFirst}/${r.intervalNext}/${r.freeSeconds}` },
          { id: 'fee', title: t('deck.connectFee'), right: true, cell: (r) => (/^0\.0+$/.test(r.connectFee) ? '' : rate(r.connectFee)) },
          { id: 'blocked', title: '', cell: (r) => r.blocked && <Tag tone="bad">{t('deck.blocked')}</Tag> },
        ]}
      />
      <Pager info={rows?.pageInfo} asOf={rows?.asOf} go={setPage} />
    </>
  );
}
