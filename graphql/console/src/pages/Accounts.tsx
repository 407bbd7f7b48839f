import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { usePolled } from '../api/client';
import { useFeed } from '../api/feed';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from '../parts/Amount';
import { DataTable } from '../parts/DataTable';
import { keyOf } from '../parts/format';
import { Export } from '../parts/Export';
import { Heard, Page } from '../parts/Page';

const AccountsQuery = graphql(`
  query Accounts {
    accounts(first: 500) {
      nodes {
        id
        key
        kind
        currency
        disabled
        channels
        packageId
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
        }
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

export const BalancesFeed = graphql(`
  subscription BalancesFeed($accounts: [ID!]!) {
    balances(accounts: $accounts) {
      id
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
    }
  }
`);

type Balances = Map<string, ResultOf<typeof BalancesFeed>['balances'][number]['balance']>;

/** The balances of accounts, by global id, as they change. */
export function useBalances(accounts: readonly string[]) {
  return useFeed(BalancesFeed, {
    key: accounts.join(' '),
    pause: accounts.length === 0,
    variables: () => ({ accounts: [...accounts] }),
    fold: (before: Balances | undefined, data: ResultOf<typeof BalancesFeed>) => new Map([...(before ?? []), ...data.balances.map((a) => [a.id, a.balance] as const)]),
  });
}

export function Accounts() {
  const { t } = useTexts();
  const navigate = useNavigate();
  const [every, setEvery] = useState(2000);
  const { data, error } = usePolled(AccountsQuery, {}, every);
  const accounts = data?.accounts;
  const feed = useBalances(accounts?.nodes.map((a) => a.id) ?? []);
  // New accounts and other settings are asked for, now and then.
  useEffect(() => setEvery(feed.live ? 30_000 : 2000), [feed.live]);
  const rows = accounts?.nodes.map((a) => ({ ...a, balance: (feed.live && feed.state?.get(a.id)) || a.balance }));
  return (
    <Page title={t('nav.accounts')} error={error} actions={
        <>
          <Heard live={feed.live} />
          <Export list="accounts" />
        </>
      } asOf={accounts?.asOf} loading={!accounts && !error}>
      <DataTable
        label={t('nav.accounts')}
        rows={rows ?? []}
        rowKey={(a) => a.id}
        open={(a) => void navigate({ to: '/accounts/$key', params: { key: a.key }, search: {} })}
        faded={(a) => a.disabled}
        loading={!accounts}
        maxHeight="calc(100vh - 140px)"
        columns={[
          { id: 'key', title: t('account.account'), cell: (a) => a.key },
          { id: 'company', title: t('account.company'), cell: (a) => a.company?.name },
          { id: 'kind', title: t('account.kind'), cell: (a) => t(`account.${a.kind}`) },
          { id: 'currency', title: t('account.currency'), cell: (a) => a.currency },
          { id: 'posted', title: t('account.posted'), right: true, cell: (a) => <Amount money={a.balance.posted} currency={false} /> },
          { id: 'reserved', title: t('account.reserved'), right: true, cell: (a) => <Amount money={a.balance.reserved} currency={false} /> },
          { id: 'available', title: t('account.available'), right: true, cell: (a) => <Amount money={a.balance.available} currency={false} /> },
          { id: 'owable', title: t('account.owable'), right: true, cell: (a) => <Amount money={a.balance.owable} currency={false} /> },
          { id: 'limit', title: t('account.limit'), right: true, cell: (a) => <Amount money={a.creditLimit} currency={false} /> },
          { id: 'package', title: t('account.package'), cell: (a) => keyOf(a.packageId) },
          { id: 'holds', title: t('account.holds'), right: true, cell: (a) => a.balance.holds },
          { id: 'channels', title: t('account.channels'), right: true, cell: (a) => a.channels || t('common.unlimited') },
        ]}
      />
    </Page>
  );
}
