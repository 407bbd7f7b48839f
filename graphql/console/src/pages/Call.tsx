import { SimpleGrid } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { Amount } from '../parts/Amount';
import { CallFiles } from '../parts/CallFiles';
import { Choices } from '../parts/Choices';
import { DataTable } from '../parts/DataTable';
import { EntryTable } from '../parts/EntryTable';
import { grouped, keyOf, preciseTime, rate, seconds } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';
import { LiveMedia, QualityTable } from '../parts/Media';
import { Price } from '../parts/Price';
import classes from '../parts/parts.module.css';
import { useRights } from '../session';

const CallQuery = graphql(`
  query Call($id: ID!) {
    call(id: $id) {
      id
      legs {
        leg
        direction
        state
        node
        caller
        called
        callerRouted
        calledRouted
        customerCompanyId
        customerAccountId
        vendorCompanyId
        vendorAccountId
        originatorId
        terminatorId
        setupAt
        pdd
        talk
        answered
        sipCode
        reason
        cause
        last
        endedBy
        emergency
        price {
          net {
            amount
            currency
          }
        }
        cost {
          amount
          currency
        }
        margin {
          amount
          currency
        }
        media {
          packets
          lost
          duplicates
          reordered
          gaps
          jitterMs
          meanJitterMs
          maxJitterMs
          longestSilence
          mos
          rttMs
          codec
          srtp
          reported {
            lost
            jitterMs
            mos
          }
          dropped {
            source
            malformed
            noPeer
            send
            auth
            replay
          }
        }
        codec
        signallingAddress
        userAgent
      }
      events {
        journal
        position
        at
        leg
        kind
        text
      }
      priceLines {
        side
        leg
        accountId
        deckId
        deckVersion
        row
        prefix
        destination
        currency
        raw
        billedSeconds
        firstSeconds
        packageId
        packageSeconds
        priceFirst
        priceNext
        intervalFirst
        intervalNext
        freeSeconds
        connectFee
        rounding
        decimals
        taxRate
        taxInclusive
        exact
        explanation
        net {
          amount
          currency
        }
        tax {
          amount
          currency
        }
        gross {
          amount
          currency
        }
        position
      }
      candidates {
        rank
        passed
        terminatorId
        routeId
        accountId
        deckId
        deckVersion
        prefix
        destination
        currency
        priceFirst
        priceNext
      }
      decision {
        currency
        marginCurrency
        choices {
          rank
          terminatorId
          routeId
          prefix
          price
          currency
          margin
          rejected
          calledOut
          quality {
            figure
            window
            attempts
            value
          }
        }
      }
      entries {
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
      }
      files {
        name
        kind
        part
        node
        size
        codec
        truncated
        reason
        paused
        from
        to
        sha256
        state
        url
        removedAt
        removedWhy
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

type CallData = NonNullable<ResultOf<typeof CallQuery>['call']>;
export type PriceLine = CallData['priceLines'][number];
export type CallFile = CallData['files'][number];

export function CallPage() {
  const { t } = useTexts();
  const { staff } = useRights();
  const { id } = useParams({ from: '/calls/$id' });
  const [{ data, error, fetching }] = useQuery({ query: CallQuery, variables: { id: `call:${id}` } });
  const call = data?.call;
  const first = call?.legs[0];
  const title = first ? t('call.title', { caller: first.caller, called: first.called }) : t('nav.cdrs');
  return (
    <Page title={title} error={error} asOf={call?.asOf} loading={fetching} actions={
        <>
          {first?.emergency && <Tag tone="bad">{t('cdr.emergency')}</Tag>}
          <span className={classes.note}>{first ? `${first.setupAt.slice(0, 10)} · ` : ''}{id}</span>
        </>
      }
    >
      {!call && !fetching && <div className={classes.empty}>{t('common.notFound')}</div>}
      {call && (
        <>
          <Section title={t('call.legs')}>
            <Legs call={call} />
          </Section>
          <MediaOf call={call} />
          <Section title={t('call.price')} actions={<Margin call={call} />}>
            {call.priceLines.length === 0 ? (
              <div className={classes.note}>{t('call.noPrice')}</div>
            ) : (
              <SimpleGrid cols={{ base: 1, lg: 2 }} spacing={12}>
                {call.priceLines.map((line) => (
                  <Price key={`${line.side}${line.leg}`} line={line} />
                ))}
              </SimpleGrid>
            )}
          </Section>
          {call.files.length > 0 && (
            <Section title={t('call.files')}>
              <CallFiles files={call.files} />
            </Section>
          )}
          {call.entries.length > 0 && (
            <Section title={t('call.entries')}>
              <EntryTable rows={call.entries} withAccount />
            </Section>
          )}
          {staff && (
            <SimpleGrid cols={{ base: 1, lg: 2 }} spacing={12}>
              <Section title={t('call.timeline')}>
                <Timeline call={call} />
              </Section>
              <Section
                title={t('call.candidates')}
                actions={
                  <Link to="/simulate" search={{ call: id }} style={{ fontSize: 12.5 }}>
                    {t('call.simulate')}
                  </Link>
                }
              >
                {call.decision ? (
                  <Choices
                    choices={withPassed(call)}
                    currency={call.decision.marginCurrency}
                    chosen={call.legs.find((l) => l.leg > 0 && l.answered)?.terminatorId}
                  />
                ) : (
                  <Candidates call={call} />
                )}
              </Section>
            </SimpleGrid>
          )}
        </>
      )}
    </Page>
  );
}

/** A number as it came in and, where it was rewritten, as it was routed. */
function arrow(on: string, routed: string) {
  return routed && routed !== on.replace(/^\+/, '') ? `${on} → ${routed}` : on;
}

function Legs({ call }: { call: CallData }) {
  const { t } = useTexts();
  return (
    <DataTable
      label={t('call.legs')}
      rows={call.legs}
      rowKey={(l) => String(l.leg)}
      columns={[
        { id: 'leg', title: t('cdr.leg'), right: true, cell: (l) => l.leg },
        { id: 'peer', title: t('cdr.peer'), cell: (l) => keyOf(l.leg ? l.terminatorId : l.originatorId) },
        { id: 'account', title: t('account.account'), cell: (l) => keyOf(l.leg ? l.vendorAccountId : l.customerAccountId) },
        { id: 'from', title: t('simulate.caller'), cell: (l) => arrow(l.caller, l.callerRouted) },
        { id: 'to', title: t('simulate.called'), cell: (l) => arrow(l.called, l.calledRouted) },
        { id: 'setup', title: t('cdr.setup'), cell: (l) => preciseTime(l.setupAt) },
        { id: 'pdd', title: t('cdr.pdd'), right: true, cell: (l) => seconds(l.pdd) },
        { id: 'talk', title: t('cdr.talk'), right: true, cell: (l) => (l.answered && l.state !== 'PENDING' ? seconds(l.talk, 3) : '') },
        {
          id: 'cause',
          title: t('cdr.cause'),
          cell: (l) =>
            l.state === 'PENDING' ? (
              <Tag tone="wait">{t('cdr.PENDING')}</Tag>
            ) : (
              <Tag tone={l.answered ? 'good' : 'bad'}>
                {l.sipCode} {l.reason || l.cause}
              </Tag>
            ),
        },
        { id: 'by', title: t('cdr.endedBy'), cell: (l) => l.endedBy && t(`endedBy.${l.endedBy}`) },
        { id: 'net', title: t('cdr.net'), right: true, cell: (l) => l.answered && l.state !== 'PENDING' && <Amount money={l.price?.net} /> },
        { id: 'codec', title: t('cdr.codec'), cell: (l) => l.codec },
        { id: 'loss', title: t('cdr.loss'), right: true, cell: (l) => l.media && `${l.media.lost} / ${grouped(String(l.media.packets))}` },
        { id: 'mos', title: t('cdr.mos'), right: true, cell: (l) => l.media?.mos },
        { id: 'signalling', title: t('cdr.signalling'), cell: (l) => l.signallingAddress },
      ]}
    />
  );
}

/** What was received on the legs: now, or when they had ended. */
function MediaOf({ call }: { call: CallData }) {
  const { t } = useTexts();
  if (call.legs.some((l) => l.state === 'PENDING')) return <LiveMedia id={call.id} />;
  const rows = call.legs.flatMap((l) => (l.media ? [{ name: String(l.leg), q: l.media }] : []));
  if (rows.length === 0) return null;
  return (
    <Section title={t('media.media')}>
      <QualityTable rows={rows} />
    </Section>
  );
}

/** What the call earned; partners do not get to know it. */
function Margin({ call }: { call: CallData }) {
  const { t } = useTexts();
  const margin = call.legs.find((l) => l.leg === 0)?.margin;
  if (!margin || call.priceLines.length === 0) return null;
  return (
    <span style={{ fontSize: 12.5 }}>
      {t('cdr.margin')}: <Amount money={margin} sign />
    </span>
  );
}

function Timeline({ call }: { call: CallData }) {
  const { t } = useTexts();
  const start = call.events[0] ? Date.parse(call.events[0].at) : 0;
  return (
    <DataTable
      label={t('call.timeline')}
      rows={call.events}
      rowKey={(e) => `${e.journal}/${e.position}`}
      columns={[
        { id: 'at', title: t('call.at'), cell: (e) => preciseTime(e.at) },
        { id: 'after', title: t('call.offset'), right: true, cell: (e) => `+${((Date.parse(e.at) - start) / 1000).toFixed(3)}` },
        { id: 'leg', title: t('cdr.leg'), right: true, cell: (e) => e.leg ?? '' },
        { id: 'text', title: t('call.event'), cell: (e) => <span style={{ whiteSpace: 'normal' }}>{e.text}</span> },
        { id: 'journal', title: t('call.source'), cell: (e) => <Tag>{e.journal === 'book' ? `book ${e.position}` : 'log'}</Tag> },
      ]}
    />
  );
}

/** The vendors of the decision; one whom the book passed over when it was his turn says why. */
function withPassed(call: CallData) {
  const passed = new Map(call.candidates.map((c) => [c.routeId ?? c.terminatorId, c.passed]));
  return (call.decision?.choices ?? []).map((c) => ({ ...c, rejected: c.rejected ?? passed.get(c.routeId) ?? null }));
}

function Candidates({ call }: { call: CallData }) {
  const { t } = useTexts();
  const answered = call.legs.find((l) => l.leg > 0 && l.answered);
  return (
    <DataTable
      label={t('call.candidates')}
      rows={call.candidates}
      rowKey={(c) => String(c.rank)}
      columns={[
        { id: 'rank', title: t('call.rank'), right: true, cell: (c) => c.rank },
        { id: 'terminator', title: t('cdr.terminator'), cell: (c) => keyOf(c.terminatorId) },
        { id: 'deck', title: t('deck.deck'), cell: (c) => `${keyOf(c.deckId)} / ${c.deckVersion}` },
        { id: 'prefix', title: t('deck.prefix'), cell: (c) => c.prefix },
        { id: 'destination', title: t('cdr.destination'), cell: (c) => c.destination },
        { id: 'rate', title: t('call.rate'), right: true, cell: (c) => `${rate(c.priceNext)} ${c.currency}` },
        { id: 'done', title: '', cell: (c) => (c.passed ? <Tag tone="bad">{c.passed}</Tag> : answered?.terminatorId === c.terminatorId && <Tag tone="good">{t('call.answeredHere')}</Tag>) },
      ]}
    />
  );
}
