import { Group, TextInput } from '@mantine/core';
import { useState } from 'react';
import { usePolled } from '../api/client';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from './Amount';
import { EntryTable } from './EntryTable';
import { Section } from './Page';
import classes from './parts.module.css';

const StatementQuery = graphql(`
  query Statement($account: ID!, $from: Date!, $to: Date!) {
    statement(account: $account, from: $from, to: $to) {
      timeZone
      final
      entryCount
      lateCount
      opening {
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
      closing {
        amount
        currency
      }
      entries(first: 500) {
        nodes {
          id
          position
          accountName
          kind
          amount {
            amount
            currency
          }
          balance {
            amount
            currency
          }
          recordedAt
          actor
          reason
          reference
          callId
          reverses
          reversedBy
          late
        }
      }
    }
  }
`);

/** The first days of this month and of the next. */
function thisMonth(): { from: string; to: string } {
  const now = new Date();
  const first = (month: number) => new Date(Date.UTC(now.getFullYear(), month, 1)).toISOString().slice(0, 10);
  return { from: first(now.getMonth()), to: first(now.getMonth() + 1) };
}

/** An account's statement over days of its company's time zone. */
export function Statement({ account }: { account: string }) {
  const { t } = useTexts();
  const [days, setDays] = useState(thisMonth);
  const { data, error } = usePolled(StatementQuery, { account: `account:${account}`, ...days }, 5000);
  const s = data?.statement;
  return (
    <Section title={t('account.statement')}>
      <Group gap={10} align="flex-end" mb={10}>
        <TextInput size="xs" type="date" label={t('account.statementFrom')} value={days.from} onChange={(e) => setDays({ ...days, from: e.currentTarget.value })} />
        <TextInput size="xs" type="date" label={t('account.statementTo')} value={days.to} onChange={(e) => setDays({ ...days, to: e.currentTarget.value })} />
        {s && (
          <span className={classes.note}>
            {s.timeZone} · {t('account.entries')}: {s.entryCount}
            {s.lateCount > 0 && ` (${t('entry.late')}: ${s.lateCount})`} · {t(s.final ? 'account.final' : 'account.notFinal')}
          </span>
        )}
        {error && <span className={classes.note}>{error.message}</span>}
      </Group>
      {s && (
        <>
          <Group gap={28} mb={10}>
            {(['opening', 'credits', 'debits', 'closing'] as const).map((name) => (
              <span key={name}>
                <span className={classes.label}>{t(`account.${name}`)} </span>
                <Amount money={s[name]} />
              </span>
            ))}
          </Group>
          <EntryTable rows={s.entries.nodes} maxHeight="calc(100vh - 380px)" />
        </>
      )}
    </Section>
  );
}
