import { Alert, Button, Group, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useMutation } from 'urql';
import { usePolled } from '../api/client';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from './Amount';
import { DataTable } from './DataTable';
import { fullTime } from './format';
import { newKey } from './key';
import { Section } from './Page';
import classes from './parts.module.css';

const PeriodsQuery = graphql(`
  query Periods($id: ID!) {
    account(id: $id) {
      offline {
        calls
        amount {
          amount
          currency
        }
        used {
          node
          calls
          amount {
            amount
            currency
          }
        }
      }
      periods(first: 100) {
        nodes {
          position
          from
          to
          closedAt
          actor
          opening {
            amount
            currency
          }
          closing {
            amount
            currency
          }
          credits {
            amount
            currency
          }
          debits {
            amount
            currency
          }
          entryCount
          lateCount
          after {
            amount
            currency
          }
          stateHash
        }
      }
    }
  }
`);

const CloseMutation = graphql(`
  mutation PeriodClose($input: PeriodCloseInput!) {
    periodClose(input: $input) {
      position
      userErrors {
        message
        path
      }
    }
  }
`);

/** An account's closed periods, and what nodes may let through for it while the book is silent. */
export function Periods({ account, mayClose }: { account: string; mayClose: boolean }) {
  const { t } = useTexts();
  const { data, error } = usePolled(PeriodsQuery, { id: `account:${account}` }, 5000);
  const offline = data?.account?.offline;
  return (
    <>
      <Section title={t('period.title')}>
        {mayClose && <CloseForm account={account} />}
        {error && <span className={classes.note}>{error.message}</span>}
        {data?.account && (
          <DataTable
            label={t('period.title')}
            rows={data.account.periods.nodes}
            rowKey={(p) => p.position}
            columns={[
              { id: 'from', title: t('period.from'), cell: (p) => (p.from ? fullTime(p.from) : '') },
              { id: 'to', title: t('period.to'), cell: (p) => fullTime(p.to) },
              { id: 'opening', title: t('account.opening'), right: true, cell: (p) => <Amount money={p.opening} currency={false} /> },
              { id: 'credits', title: t('account.credits'), right: true, cell: (p) => <Amount money={p.credits} currency={false} /> },
              { id: 'debits', title: t('account.debits'), right: true, cell: (p) => <Amount money={p.debits} currency={false} /> },
              { id: 'closing', title: t('account.closing'), right: true, cell: (p) => <Amount money={p.closing} /> },
              { id: 'entries', title: t('account.entries'), right: true, cell: (p) => p.entryCount },
              { id: 'late', title: t('entry.late'), right: true, cell: (p) => p.lateCount },
              { id: 'after', title: t('period.after'), right: true, cell: (p) => <Amount money={p.after} currency={false} /> },
              { id: 'position', title: t('entry.position'), right: true, cell: (p) => p.position },
              { id: 'state', title: t('period.state'), cell: (p) => <span title={p.stateHash}>{p.stateHash.slice(0, 16)}</span> },
            ]}
          />
        )}
      </Section>
      {offline && (
        <Section title={t('period.offline')}>
          <span className={classes.note}>
            {t('period.allowance')}: {offline.calls} · <Amount money={offline.amount} />
          </span>
          {offline.used.map((u) => (
            <div key={u.node} className={classes.note}>
              {u.node}: {u.calls} · <Amount money={u.amount} />
            </div>
          ))}
        </Section>
      )}
    </>
  );
}

/** Closes a period; the key changes with what is asked, so that a repeated click closes once. */
function CloseForm({ account }: { account: string }) {
  const { t } = useTexts();
  const [closed, close] = useMutation(CloseMutation);
  const [to, setTo] = useState('');
  const [idempotencyKey, setKey] = useState(newKey);
  const payload = closed.data?.periodClose;
  const mistake = closed.error?.graphQLErrors[0]?.message ?? closed.error?.message ?? payload?.userErrors[0]?.message;
  return (
    <Group gap={10} align="flex-end" mb={10}>
      <TextInput
        size="xs"
        type="date"
        label={t('period.closeTo')}
        value={to}
        onChange={(e) => {
          setTo(e.currentTarget.value);
          setKey(newKey());
        }}
      />
      <Button size="xs" disabled={!to} loading={closed.fetching} onClick={() => void close({ input: { idempotencyKey, account: `account:${account}`, to } })}>
        {t('period.close')}
      </Button>
      {mistake && (
        <Alert color="red" variant="light" py={4}>
          {mistake}
        </Alert>
      )}
      {payload?.position && <span className={classes.note}>{t('account.done', { position: payload.position })}</span>}
    </Group>
  );
}
