import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { EditForm, mistakesOf, text, type Values } from '../parts/EditForm';
import { fullTime, rate } from '../parts/format';
import { Page, Tag } from '../parts/Page';
import { useRights } from '../session';
import { instant } from './cdrSearch';

const RatesQuery = graphql(`
  query ExchangeRates {
    exchangeRates(last: 500) {
      nodes {
        id
        base
        quote
        rate
        effectiveFrom
        inForce
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const PutMutation = graphql(`
  mutation PutExchangeRate($input: ExchangeRatePutInput!) {
    exchangeRatePut(input: $input) {
      position
      userErrors {
        message
        path
      }
    }
  }
`);

export function ExchangeRates() {
  const { t } = useTexts();
  const { money } = useRights();
  const [{ data, error }, again] = useQuery({ query: RatesQuery });
  const [, put] = useMutation(PutMutation);
  const [only, setOnly] = useState('');
  const [editing, setEditing] = useState<Values | null>(null);
  const rows = (data?.exchangeRates.nodes ?? []).filter((r) => `${r.base}-${r.quote}`.includes(only.toUpperCase())).reverse();
  const save = async (v: Values) => {
    const effectiveFrom = instant(text(v, 'effectiveFrom'));
    const answer = await put({
      input: { base: text(v, 'base').toUpperCase(), quote: text(v, 'quote').toUpperCase(), rate: text(v, 'rate').replace(',', '.'), ...(effectiveFrom ? { effectiveFrom } : {}) },
    });
    again({ requestPolicy: 'network-only' });
    return mistakesOf(answer.error, answer.data?.exchangeRatePut.userErrors);
  };
  return (
    <Page
      title={t('nav.exchange')}
      error={error}
      asOf={data?.exchangeRates.asOf}
      loading={!data && !error}
      actions={
        money && (
          <Button size="compact-sm" onClick={() => setEditing({ base: '', quote: '', rate: '', effectiveFrom: '' })}>
            {t('exchange.new')}
          </Button>
        )
      }
    >
      <TextInput size="xs" w={140} label={t('exchange.pair')} placeholder="EUR-USD" value={only} onChange={(e) => setOnly(e.currentTarget.value)} data-filter />
      <DataTable
        label={t('nav.exchange')}
        rows={rows}
        rowKey={(r) => r.id}
        faded={(r) => !r.inForce}
        loading={!data}
        maxHeight="calc(100vh - 200px)"
        {...(money ? { open: (r: (typeof rows)[number]) => setEditing({ base: r.base, quote: r.quote, rate: rate(r.rate), effectiveFrom: '' }) } : {})}
        columns={[
          { id: 'pair', title: t('exchange.pair'), cell: (r) => `${r.base} → ${r.quote}` },
          { id: 'rate', title: t('exchange.rate'), right: true, cell: (r) => rate(r.rate) },
          { id: 'from', title: t('deck.from'), cell: (r) => fullTime(r.effectiveFrom) },
          { id: 'state', title: '', cell: (r) => r.inForce && <Tag tone="good">{t('exchange.inForce')}</Tag> },
        ]}
      />
      {editing && (
        <EditForm
          title={t('exchange.new')}
          initial={editing}
          save={save}
          close={() => setEditing(null)}
          fields={[
            { name: 'base', label: t('exchange.base'), kind: 'text', required: true },
            { name: 'quote', label: t('exchange.quote'), kind: 'text', required: true },
            { name: 'rate', label: t('exchange.rate'), kind: 'text', required: true, hint: t('exchange.rateHint') },
            { name: 'effectiveFrom', label: t('deck.from'), kind: 'text', hint: t('exchange.fromHint') },
          ]}
        />
      )}
    </Page>
  );
}
