import { Button, SimpleGrid } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { usePolled } from '../api/client';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { AccountForm } from '../parts/AccountForm';
import { Amount } from '../parts/Amount';
import { EntryTable } from '../parts/EntryTable';
import { keyOf } from '../parts/format';
import { Export } from '../parts/Export';
import { Heard, Page, Section } from '../parts/Page';
import { Pager } from '../parts/Pager';
import classes from '../parts/parts.module.css';
import { Periods } from '../parts/Periods';
import { PostingForm } from '../parts/PostingForm';
import { Statement } from '../parts/Statement';
import { useRights } from '../session';
import { useBalances } from './Accounts';

const AccountQuery = graphql(`
  query Account($id: ID!, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    account(id: $id) {
      key
      name
      kind
      currency
      channels
      callsPerSecond
      disabled
      cutOff
      packageId
      packagePrefixes
      version
      company {
        name
      }
      creditLimit {
        amount
        currency
      }
      balance {
        posted {
          amount
          currency
        }
        reserved {
          amount
          currency
        }
        available {
          amount
          currency
        }
        owable {
          amount
          currency
        }
        holds
        asOf {
          position
          lagMs
        }
      }
      entries(first: $first, after: $after, last: $last, before: $before) {
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
        pageInfo {
          hasNextPage
          hasPreviousPage
          startCursor
          endCursor
        }
      }
    }
  }
`);

const pageSize = 50;

export function AccountPage() {
  const { t } = useTexts();
  const { money } = useRights();
  const navigate = useNavigate();
  const { key } = useParams({ from: '/accounts/$key' });
  const search = useSearch({ from: '/accounts/$key' });
  const page = search.before ? { last: pageSize, before: search.before } : { first: pageSize, ...(search.after ? { after: search.after } : {}) };
  const feed = useBalances([`account:${key}`]);
  const { data, error, fetching, again } = usePolled(AccountQuery, { id: `account:${key}`, ...page }, feed.live ? 30_000 : 2000);
  // A balance that changes has new entries.
  useEffect(() => {
    if (feed.state) again({ requestPolicy: 'network-only' });
  }, [feed.state, again]);
  const [posting, setPosting] = useState<'credit' | 'debit' | null>(null);
  const [shown, setShown] = useState<'entries' | 'statement' | 'periods'>('entries');
  const [editing, setEditing] = useState(false);
  const account = data?.account;
  const actions = account && (
    <>
      <Heard live={feed.live} />
      <Export list="account.entries" query={{ id: key }} />
      <Link className={classes.link} to="/cdrs" search={{ account: key }}>
        {t('account.cdrs')}
      </Link>
      {(['statement', 'periods'] as const).map((what) => (
        <Button key={what} size="compact-sm" variant={shown === what ? 'filled' : 'default'} onClick={() => setShown(shown === what ? 'entries' : what)}>
          {t(`account.${what}`)}
        </Button>
      ))}
      {money && (
        <>
          <Button size="compact-sm" onClick={() => setPosting('credit')}>
            {t('account.credit')}
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setPosting('debit')}>
            {t('account.debit')}
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setEditing(true)}>
            {t('edit.edit')}
          </Button>
        </>
      )}
    </>
  );
  return (
    <Page title={account ? `${key} · ${account.company?.name ?? ''}` : key} error={error} actions={actions} loading={!data && fetching}>
      {data && !account && <div className={classes.empty}>{t('common.notFound')}</div>}
      {account && (
        <>
          <SimpleGrid cols={{ base: 2, md: 4 }} spacing={10}>
            <Figure label={t('account.posted')} money={account.balance.posted} note={t(`account.${account.kind}`)} />
            <Figure label={t('account.reserved')} money={account.balance.reserved} note={`${t('account.holds')}: ${account.balance.holds}`} />
            {account.kind === 'VENDOR' ? (
              <Figure label={t('account.owable')} money={account.balance.owable} note={account.cutOff ? t('account.cutOff') : ''} />
            ) : (
              <Figure label={t('account.available')} money={account.balance.available} note={packageNote(account, t)} />
            )}
            <Figure label={t('account.limit')} money={account.creditLimit} note={`${t('account.channels')}: ${account.channels || t('common.unlimited')}`} />
          </SimpleGrid>
          {shown === 'statement' && <Statement account={key} />}
          {shown === 'periods' && <Periods account={key} mayClose={money} />}
          {shown === 'entries' && (
          <Section title={t('account.entries')}>
            <EntryTable rows={account.entries.nodes} maxHeight="calc(100vh - 288px)" />
            <Pager info={account.entries.pageInfo} asOf={account.balance.asOf} go={(to) => void navigate({ to: '/accounts/$key', params: { key }, search: to })} />
          </Section>
          )}
          {editing && <AccountForm of={account} close={() => setEditing(false)} />}
          {posting && <PostingForm kind={posting} account={key} currency={account.currency} close={() => setPosting(null)} />}
        </>
      )}
    </Page>
  );
}

/** What package the account has, or what it covers as one. */
function packageNote(a: { currency: string; packageId: string | null; packagePrefixes: readonly string[] }, t: ReturnType<typeof useTexts>['t']): string {
  if (a.packageId) return `${t('account.package')}: ${keyOf(a.packageId)}`;
  if (a.currency !== 'SEC') return '';
  return t('account.covers', { prefixes: a.packagePrefixes.slice(0, 12).join(', ') + (a.packagePrefixes.length > 12 ? ' …' : '') || '*' });
}

function Figure({ label, money, note }: { label: string; money: { amount: string; currency: string } | null; note: string }) {
  return (
    <div className={classes.panel}>
      <div className={classes.label}>{label}</div>
      <div className={classes.big} style={{ fontSize: 21 }}>
        <Amount money={money} />
      </div>
      <div className={classes.note}>{note || '\u00a0'}</div>
    </div>
  );
}
