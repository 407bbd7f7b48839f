import { Button, Group } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { type Did, DidForm } from '../parts/DidForm';
import { DigestForm } from '../parts/DigestForm';
import { dayTime } from '../parts/format';
import { Page, Section } from '../parts/Page';
import { type Subscriber, SubscriberForm } from '../parts/SubscriberForm';
import { useRights } from '../session';

const SubscribersQuery = graphql(`
  query Subscribers($staff: Boolean!) {
    subscribers(first: 500) {
      nodes {
        id
        key
        name
        company {
          key
        }
        account {
          key
        }
        sellDeck {
          key
        }
        routePlan {
          key
        }
        hasPassword
        callerNumber
        channels
        maxContacts
        codecs
        forwardAlways
        forwardBusy
        forwardNoAnswer
        noAnswer
        transfers
        srtp
        srtpOnPlain
        disabled
        version
        contacts {
          contact
          source
          transport
          node
          userAgent
          expiresAt
        }
      }
      asOf {
        position
        lagMs
      }
    }
    dids(first: 500) {
      nodes {
        id
        number
        company {
          key
        }
        subscriber {
          key
        }
        terminator {
          key
        }
        account {
          key
        }
        sellDeck {
          key
        }
        disabled
        version
      }
    }
    settings @include(if: $staff) {
      digestAlgorithms
      realm
      version
    }
  }
`);

const BansQuery = graphql(`
  query Bans {
    bans {
      address
      node
      reason
      failures
      since
      until
    }
  }
`);

const LiftMutation = graphql(`
  mutation LiftBan($input: BanLiftInput!) {
    banLift(input: $input) {
      address
      userErrors {
        message
      }
    }
  }
`);

/** Who is registered where, which numbers lead to whom, and who is banned for guessing. */
export function Subscribers() {
  const { t } = useTexts();
  const { traffic } = useRights();
  const [{ data, error }, again] = useQuery({ query: SubscribersQuery, variables: { staff: traffic } });
  const [edited, setEdited] = useState<Subscriber | 'new' | null>(null);
  const [did, setDid] = useState<Did | 'new' | null>(null);
  const [digest, setDigest] = useState(false);
  const refresh = () => again({ requestPolicy: 'network-only' });
  const rows = data?.subscribers.nodes ?? [];
  const contacts = rows.flatMap((s) => s.contacts.map((c) => ({ ...c, key: s.key })));
  const forwards = (s: Subscriber) =>
    [
      [t('subscriber.forwardAlways'), s.forwardAlways],
      [t('subscriber.forwardBusy'), s.forwardBusy],
      [t('subscriber.forwardNoAnswer'), s.forwardNoAnswer],
    ]
      .filter(([, to]) => to)
      .map(([when, to]) => `${when}: ${to}`)
      .join('; ');
  return (
    <Page
      title={t('nav.subscribers')}
      error={error}
      asOf={data?.subscribers.asOf}
      loading={!data && !error}
      actions={
        traffic && (
          <Group gap={8}>
            <Button size="xs" variant="default" onClick={() => setDigest(true)}>
              {t('subscriber.digest')}
            </Button>
            <Button size="xs" variant="default" onClick={() => setDid('new')}>
              {t('subscriber.newDid')}
            </Button>
            <Button size="xs" variant="default" onClick={() => setEdited('new')}>
              {t('edit.new')}
            </Button>
          </Group>
        )
      }
    >
      <Section title={t('nav.subscribers')}>
        <DataTable
          label={t('nav.subscribers')}
          rows={rows}
          rowKey={(s) => s.id}
          faded={(s) => s.disabled}
          {...(traffic ? { open: (s: Subscriber) => setEdited(s) } : {})}
          columns={[
            { id: 'key', title: t('company.key'), cell: (s) => s.key },
            { id: 'name', title: t('company.name'), cell: (s) => s.name },
            { id: 'state', title: t('subscriber.registered'), right: true, cell: (s) => (s.hasPassword ? s.contacts.length : t('subscriber.noPassword')) },
            { id: 'company', title: t('account.company'), cell: (s) => s.company?.key },
            { id: 'account', title: t('account.account'), cell: (s) => s.account?.key },
            { id: 'deck', title: t('peer.deck'), cell: (s) => s.sellDeck?.key },
            { id: 'plan', title: t('peer.plan'), cell: (s) => s.routePlan?.key },
            { id: 'number', title: t('subscriber.callerNumber'), cell: (s) => s.callerNumber },
            { id: 'channels', title: t('account.channels'), right: true, cell: (s) => s.channels || t('common.unlimited') },
            { id: 'forwards', title: t('subscriber.forwards'), cell: forwards },
          ]}
        />
      </Section>
      <Section title={t('subscriber.contacts')}>
        <DataTable
          label={t('subscriber.contacts')}
          rows={contacts}
          rowKey={(c) => `${c.key} ${c.contact}`}
          columns={[
            { id: 'key', title: t('subscriber.subscriber'), cell: (c) => c.key },
            { id: 'contact', title: t('subscriber.contact'), cell: (c) => c.contact },
            { id: 'source', title: t('subscriber.source'), cell: (c) => `${c.source} ${c.transport}` },
            { id: 'agent', title: t('subscriber.agent'), cell: (c) => c.userAgent },
            { id: 'node', title: t('cdr.node'), cell: (c) => c.node },
            { id: 'until', title: t('subscriber.until'), cell: (c) => dayTime(c.expiresAt) },
          ]}
        />
      </Section>
      <Section title={t('subscriber.dids')}>
        <DataTable
          label={t('subscriber.dids')}
          rows={data?.dids.nodes ?? []}
          rowKey={(d) => d.id}
          faded={(d) => d.disabled}
          {...(traffic ? { open: (d: Did) => setDid(d) } : {})}
          columns={[
            { id: 'number', title: t('subscriber.did'), cell: (d) => d.number },
            { id: 'to', title: t('subscriber.leadsTo'), cell: (d) => d.subscriber?.key ?? d.terminator?.key },
            { id: 'company', title: t('account.company'), cell: (d) => d.company?.key },
            { id: 'account', title: t('account.account'), cell: (d) => d.account?.key },
            { id: 'deck', title: t('peer.deck'), cell: (d) => d.sellDeck?.key },
          ]}
        />
      </Section>
      {traffic && <Bans />}
      {edited && <SubscriberForm of={edited === 'new' ? null : edited} close={() => setEdited(null)} changed={refresh} />}
      {did && <DidForm of={did === 'new' ? null : did} close={() => setDid(null)} changed={refresh} />}
      {digest && data?.settings && <DigestForm of={data.settings} close={() => setDigest(false)} changed={refresh} />}
    </Page>
  );
}

interface Ban {
  address: string;
  node: string;
  reason: string;
  failures: number;
  since: string;
  until: string;
}

function Bans() {
  const { t } = useTexts();
  const [{ data }, again] = useQuery({ query: BansQuery });
  const [, lift] = useMutation(LiftMutation);
  const free = async (address: string) => {
    await lift({ input: { address } });
    again({ requestPolicy: 'network-only' });
  };
  const columns: Column<Ban>[] = [
    { id: 'address', title: t('audit.address'), cell: (b) => b.address },
    { id: 'reason', title: t('subscriber.reason'), cell: (b) => `${b.reason} (${b.failures})` },
    { id: 'node', title: t('cdr.node'), cell: (b) => b.node },
    { id: 'since', title: t('subscriber.since'), cell: (b) => dayTime(b.since) },
    { id: 'until', title: t('subscriber.until'), cell: (b) => dayTime(b.until) },
    {
      id: 'lift',
      title: '',
      right: true,
      cell: (b) => (
        <Button size="compact-xs" variant="subtle" onClick={() => void free(b.address)}>
          {t('subscriber.lift')}
        </Button>
      ),
    },
  ];
  return (
    <Section title={t('subscriber.bans')}>
      <DataTable label={t('subscriber.bans')} rows={data?.bans ?? []} rowKey={(b) => b.address} columns={columns} />
    </Section>
  );
}
