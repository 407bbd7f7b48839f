import { useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { fullTime, keyOf, seconds } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';
import { type Peer, SieveForm } from '../parts/SieveForm';
import { sipWords } from '../parts/sip';
import { useRights } from '../session';

const PeersQuery = graphql(`
  query Peers {
    originators(first: 500) {
      nodes {
        id
        key
        company {
          name
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
        networks
        port
        techPrefix
        channels
        callsPerSecond
        profitMode
        minimumMarginShare
        rewrites {
          field
          pattern
          replacement
          last
        }
        lists {
          listId
          field
          allow
        }
        prefixLimits {
          prefix
          channels
          callsPerSecond
        }
        listener
        nodes
        nodesFailover
        sip {
          codecs
          headers
          trusted
          without
          followRedirects
          reliableAnswers
          transfers
          srtp
          srtpOnPlain
          srtpSuites
          session
        }
        certificate
        redirect
        authUser
        disabled
        version
      }
      asOf {
        position
        lagMs
      }
    }
    terminators(first: 500) {
      nodes {
        id
        key
        company {
          name
        }
        account {
          key
        }
        buyDeck {
          key
        }
        host
        port
        transport
        techPrefix
        channels
        pddTimeout
        ringTimeout
        callsPerSecond
        rewrites {
          field
          pattern
          replacement
          last
        }
        lists {
          listId
          field
          allow
        }
        listener
        nodes
        nodesFailover
        sip {
          codecs
          headers
          trusted
          without
          followRedirects
          reliableAnswers
          transfers
          srtp
          srtpOnPlain
          srtpSuites
          session
        }
        ping {
          interval
          timeout
          upCodes
          downAfter
          upAfter
        }
        state {
          up
          since
          reason
          took
          address
        }
        disabled
        version
      }
    }
  }
`);

interface Sieve {
  rewrites: { field: string; pattern: string; replacement: string }[];
  lists: { listId: string; field: string; allow: boolean }[];
}

const rewrites = (p: Sieve) => p.rewrites.map((r) => `${r.field.toLowerCase()}: ${r.pattern} → ${r.replacement}`).join('; ');
const lists = (p: Sieve) => p.lists.map((l) => `${l.allow ? '+' : '−'} ${keyOf(l.listId)} (${l.field.toLowerCase()})`).join(', ');

export function Peers() {
  const { t } = useTexts();
  const { traffic } = useRights();
  const [{ data, error }, again] = useQuery({ query: PeersQuery });
  const [edited, setEdited] = useState<{ kind: 'originator' | 'terminator'; of: Peer } | null>(null);
  const limit = (n: number) => n || t('common.unlimited');
  return (
    <Page title={t('nav.peers')} error={error} asOf={data?.originators.asOf} loading={!data && !error}>
      <Section title={t('peer.originators')}>
        <DataTable
          label={t('peer.originators')}
          rows={data?.originators.nodes ?? []}
          rowKey={(p) => p.id}
          faded={(p) => p.disabled}
          {...(traffic ? { open: (of: Peer) => setEdited({ kind: 'originator', of }) } : {})}
          columns={[
            { id: 'key', title: t('company.key'), cell: (p) => p.key },
            { id: 'company', title: t('account.company'), cell: (p) => p.company?.name },
            { id: 'account', title: t('account.account'), cell: (p) => p.account?.key },
            { id: 'networks', title: t('peer.networks'), cell: (p) => p.networks.join(', ') + (p.port ? ` :${p.port}` : '') },
            { id: 'tech', title: t('peer.techPrefix'), cell: (p) => p.techPrefix },
            { id: 'deck', title: t('peer.deck'), cell: (p) => p.sellDeck?.key },
            { id: 'plan', title: t('peer.plan'), cell: (p) => p.routePlan?.key },
            { id: 'profit', title: t('peer.profit'), cell: (p) => t(`profit.${p.profitMode}`) },
            { id: 'channels', title: t('account.channels'), right: true, cell: (p) => limit(p.channels) },
            { id: 'cps', title: t('account.cps'), right: true, cell: (p) => limit(p.callsPerSecond) },
            { id: 'prefixes', title: t('peer.prefixLimits'), cell: (p) => p.prefixLimits.map((l) => `${l.prefix}: ${limit(l.channels)} / ${limit(l.callsPerSecond)}`).join(', ') },
            { id: 'rewrites', title: t('peer.rewrites'), cell: rewrites },
            { id: 'lists', title: t('route.lists'), cell: lists },
            { id: 'listener', title: t('peer.listener'), cell: (p) => p.listener },
            { id: 'nodes', title: t('peer.nodes'), cell: (p) => p.nodes.join(' ') },
            { id: 'sip', title: t('peer.sip'), cell: (p) => sipWords(p.sip) },
          ]}
        />
      </Section>
      <Section title={t('peer.terminators')}>
        <DataTable
          label={t('peer.terminators')}
          rows={data?.terminators.nodes ?? []}
          rowKey={(p) => p.id}
          faded={(p) => p.disabled}
          {...(traffic ? { open: (of: Peer) => setEdited({ kind: 'terminator', of }) } : {})}
          columns={[
            { id: 'key', title: t('company.key'), cell: (p) => p.key },
            { id: 'company', title: t('account.company'), cell: (p) => p.company?.name },
            { id: 'account', title: t('account.account'), cell: (p) => p.account?.key },
            { id: 'host', title: t('peer.host'), cell: (p) => (p.port ? `${p.host}:${p.port}` : p.host) },
            { id: 'transport', title: t('peer.transport'), cell: (p) => p.transport },
            {
              id: 'state',
              title: t('peer.state'),
              cell: (p) =>
                p.state && (
                  <span title={`${p.state.address} ${p.state.reason} · ${t('peer.since')} ${fullTime(p.state.since)}`}>
                    <Tag tone={p.state.up ? 'good' : 'bad'}>{p.state.up ? `${t('peer.up')} · ${seconds(p.state.took, 3)} s` : t('peer.down')}</Tag>
                  </span>
                ),
            },
            { id: 'listener', title: t('peer.listener'), cell: (p) => p.listener },
            { id: 'nodes', title: t('peer.nodes'), cell: (p) => p.nodes.join(' ') },
            { id: 'sip', title: t('peer.sip'), cell: (p) => sipWords(p.sip) },
            { id: 'tech', title: t('peer.techPrefix'), cell: (p) => p.techPrefix },
            { id: 'deck', title: t('peer.deck'), cell: (p) => p.buyDeck?.key },
            { id: 'channels', title: t('account.channels'), right: true, cell: (p) => limit(p.channels) },
            { id: 'cps', title: t('account.cps'), right: true, cell: (p) => limit(p.callsPerSecond) },
            { id: 'rewrites', title: t('peer.rewrites'), cell: rewrites },
            { id: 'lists', title: t('route.lists'), cell: lists },
            { id: 'timeouts', title: t('peer.timeouts'), right: true, cell: (p) => `${seconds(p.pddTimeout, 0)} / ${seconds(p.ringTimeout, 0)} s` },
          ]}
        />
      </Section>
      {edited && <SieveForm kind={edited.kind} of={edited.of} close={() => setEdited(null)} changed={() => again({ requestPolicy: 'network-only' })} />}
    </Page>
  );
}
