import { Button, Group } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { fullTime } from '../parts/format';
import { Page, Section, Tag } from '../parts/Page';

const InterconnectsQuery = graphql(`
  query Interconnects {
    interconnects {
      peer
      key
      domain
      signalling {
        node
        listener
        address
        transport
        port
      }
      media {
        node
        address
        portFrom
        portTo
      }
      codecs
      toldAt
      current
      url
    }
  }
`);

const ToldMutation = graphql(`
  mutation InterconnectTold($input: InterconnectToldInput!) {
    interconnectTold(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

/** What each peer is told of our addresses, and who is to be told anew. */
export function Interconnect() {
  const { t } = useTexts();
  const [{ data, error }, again] = useQuery({ query: InterconnectsQuery });
  const [, tell] = useMutation(ToldMutation);
  const [peer, setPeer] = useState<string | null>(null);
  const [refused, setRefused] = useState('');
  const sheet = data?.interconnects.find((s) => s.peer === peer);
  const told = async (id: string) => {
    const answer = await tell({ input: { peer: id } });
    setRefused(answer.error?.message ?? answer.data?.interconnectTold.userErrors.map((e) => e.message).join(' ') ?? '');
    again({ requestPolicy: 'network-only' });
  };
  return (
    <Page title={t('nav.interconnect')} error={error} loading={!data && !error}>
      <div data-noprint>
        <DataTable
          label={t('nav.interconnect')}
          rows={data?.interconnects ?? []}
          rowKey={(s) => s.peer}
          open={(s) => setPeer(s.peer)}
          loading={!data}
          maxHeight="40vh"
          columns={[
            { id: 'peer', title: t('company.key'), cell: (s) => s.peer },
            { id: 'state', title: t('interconnect.state'), cell: (s) => <Tag tone={s.current ? 'good' : 'wait'}>{t(s.current ? 'interconnect.current' : 'interconnect.stale')}</Tag> },
            { id: 'told', title: t('interconnect.told'), cell: (s) => s.toldAt && fullTime(s.toldAt) },
          ]}
        />
      </div>
      {sheet && (
        <Section
          title={`${t('interconnect.sheet')} ${sheet.peer}`}
          actions={
            <Group gap={6} data-noprint>
              {['pdf', 'yaml', 'csv'].map((format) => (
                <Button key={format} component="a" size="compact-sm" variant="default" href={`${sheet.url}&format=${format}`}>
                  {format.toUpperCase()}
                </Button>
              ))}
              <Button size="compact-sm" variant="default" onClick={() => window.print()}>
                {t('interconnect.print')}
              </Button>
              <Button size="compact-sm" onClick={() => void told(sheet.peer)} disabled={sheet.current}>
                {t('interconnect.note')}
              </Button>
            </Group>
          }
        >
          {refused && <p role="alert">{refused}</p>}
          {sheet.domain && <p>{`${t('interconnect.domain')}: ${sheet.domain}`}</p>}
          <DataTable
            label={t('interconnect.signalling')}
            rows={sheet.signalling}
            rowKey={(d) => `${d.node ?? ''} ${d.listener} ${d.transport} ${d.address}`}
            columns={[
              { id: 'what', title: t('interconnect.signalling'), cell: (d) => d.node ?? t('interconnect.shared') },
              { id: 'listener', title: t('peer.listener'), cell: (d) => d.listener },
              { id: 'address', title: t('peer.host'), cell: (d) => d.address },
              { id: 'transport', title: t('peer.transport'), cell: (d) => d.transport },
              { id: 'port', title: t('interconnect.port'), right: true, cell: (d) => d.port },
            ]}
          />
          <DataTable
            label={t('interconnect.media')}
            rows={sheet.media}
            rowKey={(m) => `${m.node} ${m.address}`}
            columns={[
              { id: 'what', title: t('interconnect.media'), cell: (m) => m.node },
              { id: 'address', title: t('peer.host'), cell: (m) => m.address },
              { id: 'ports', title: t('interconnect.ports'), right: true, cell: (m) => `${m.portFrom}–${m.portTo}` },
            ]}
          />
          <p>{`${t('interconnect.codecs')}: ${sheet.codecs.join(', ') || t('interconnect.anyCodec')}`}</p>
        </Section>
      )}
    </Page>
  );
}
