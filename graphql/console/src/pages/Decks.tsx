import { Button } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { DeckForm } from '../parts/DeckForm';
import { fullTime, grouped, percent } from '../parts/format';
import { Page } from '../parts/Page';
import { useRights } from '../session';

const DecksQuery = graphql(`
  query Decks {
    decks(first: 500) {
      nodes {
        id
        key
        name
        currency
        rounding
        decimals
        taxRate
        taxInclusive
        company {
          name
        }
        versions {
          number
          effectiveFrom
          rowCount
        }
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

export function Decks() {
  const { t } = useTexts();
  const navigate = useNavigate();
  const { money } = useRights();
  const [{ data, error }, again] = useQuery({ query: DecksQuery });
  const [adding, setAdding] = useState(false);
  const decks = data?.decks;
  return (
    <Page
      title={t('nav.decks')}
      error={error}
      asOf={decks?.asOf}
      loading={!decks && !error}
      actions={
        money && (
          <Button size="compact-sm" onClick={() => setAdding(true)}>
            {t('edit.new')}
          </Button>
        )
      }
    >
      <DataTable
        label={t('nav.decks')}
        rows={decks?.nodes ?? []}
        rowKey={(d) => d.id}
        open={(d) => void navigate({ to: '/decks/$key', params: { key: d.key } })}
        loading={!decks}
        columns={[
          { id: 'key', title: t('deck.deck'), cell: (d) => d.key },
          { id: 'name', title: t('company.name'), cell: (d) => d.name },
          { id: 'company', title: t('account.company'), cell: (d) => d.company?.name },
          { id: 'currency', title: t('account.currency'), cell: (d) => d.currency },
          { id: 'version', title: t('deck.version'), right: true, cell: (d) => d.versions[0]?.number },
          { id: 'from', title: t('deck.from'), cell: (d) => fullTime(d.versions[0]?.effectiveFrom) },
          { id: 'rows', title: t('deck.rows'), right: true, cell: (d) => d.versions[0] && grouped(String(d.versions[0].rowCount)) },
          { id: 'rounding', title: t('deck.rounding'), cell: (d) => `${t(`rounding.${d.rounding}`)}, ${d.decimals}` },
          { id: 'tax', title: t('deck.tax'), right: true, cell: (d) => `${percent(d.taxRate)} %${d.taxInclusive ? ' ✓' : ''}` },
        ]}
      />
      {adding && <DeckForm of={null} close={() => setAdding(false)} changed={() => again({ requestPolicy: 'network-only' })} />}
    </Page>
  );
}
