import { Button } from '@mantine/core';
import { useState } from 'react';
import { useMutation, useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { EditForm, mistakesOf, text, type Values } from '../parts/EditForm';
import { fullTime, seconds } from '../parts/format';
import { Page, Tag } from '../parts/Page';
import { useRights } from '../session';

const RegistrationsQuery = graphql(`
  query Registrations {
    registrations(first: 500) {
      nodes {
        id
        key
        originator {
          id
          key
        }
        registrar
        proxy
        transport
        user
        authUser
        hasPassword
        expiry
        listener
        node
        disabled
        state {
          registered
          since
          reason
          until
          next
          address
          failures
        }
        version
      }
      asOf {
        position
        lagMs
      }
    }
    originators(first: 500) {
      nodes {
        id
        key
      }
    }
  }
`);

const PutMutation = graphql(`
  mutation PutRegistration($input: RegistrationPutInput!) {
    registrationPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveMutation = graphql(`
  mutation RemoveRegistration($input: RemoveInput!) {
    registrationRemove(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

/** Our registrations at others' registrars, and how they stand. */
export function Registrations() {
  const { t } = useTexts();
  const { traffic } = useRights();
  const [{ data, error }, again] = useQuery({ query: RegistrationsQuery });
  const [, put] = useMutation(PutMutation);
  const [, drop] = useMutation(RemoveMutation);
  const [editing, setEditing] = useState<{ values: Values; id?: string } | null>(null);
  const reload = () => again({ requestPolicy: 'network-only' });
  const save = async (v: Values) => {
    const password = text(v, 'password');
    const answer = await put({
      input: {
        key: text(v, 'key'),
        originator: text(v, 'originator'),
        registrar: text(v, 'registrar'),
        proxy: text(v, 'proxy'),
        transport: text(v, 'transport'),
        user: text(v, 'user'),
        authUser: text(v, 'authUser'),
        expiry: text(v, 'expiry') || '0',
        listener: text(v, 'listener'),
        node: text(v, 'node'),
        disabled: v['disabled'] === true,
        ...(password ? { password } : {}),
      },
    });
    reload();
    return mistakesOf(answer.error, answer.data?.registrationPut.userErrors);
  };
  const remove = async (id: string) => {
    const answer = await drop({ input: { id } });
    reload();
    return mistakesOf(answer.error, answer.data?.registrationRemove.userErrors);
  };
  const originators = data?.originators.nodes ?? [];
  const fresh: Values = {
    key: '',
    originator: originators[0]?.id ?? '',
    registrar: '',
    proxy: '',
    transport: '',
    user: '',
    authUser: '',
    password: '',
    expiry: '',
    listener: '',
    node: '',
    disabled: false,
  };
  return (
    <Page
      title={t('nav.registrations')}
      error={error}
      asOf={data?.registrations.asOf}
      loading={!data && !error}
      actions={
        traffic && (
          <Button size="compact-sm" onClick={() => setEditing({ values: fresh })}>
            {t('registration.new')}
          </Button>
        )
      }
    >
      <DataTable
        label={t('nav.registrations')}
        rows={data?.registrations.nodes ?? []}
        rowKey={(r) => r.id}
        faded={(r) => r.disabled}
        loading={!data}
        {...(traffic
          ? {
              open: (r: NonNullable<typeof data>['registrations']['nodes'][number]) =>
                setEditing({
                  id: r.id,
                  values: {
                    key: r.key,
                    originator: r.originator?.id ?? '',
                    registrar: r.registrar,
                    proxy: r.proxy,
                    transport: r.transport,
                    user: r.user,
                    authUser: r.authUser,
                    password: '',
                    expiry: Number(r.expiry) ? String(Number(r.expiry)) : '',
                    listener: r.listener,
                    node: r.node,
                    disabled: r.disabled,
                  },
                }),
            }
          : {})}
        columns={[
          { id: 'key', title: t('company.key'), cell: (r) => r.key },
          { id: 'originator', title: t('registration.originator'), cell: (r) => r.originator?.key },
          { id: 'user', title: t('registration.user'), cell: (r) => `${r.user}@${r.registrar}` },
          { id: 'state', title: t('registration.state'), cell: (r) => r.state && <Tag tone={r.state.registered ? 'good' : 'bad'}>{t(r.state.registered ? 'registration.yes' : 'registration.no')}</Tag> },
          { id: 'since', title: t('peer.since'), cell: (r) => r.state && fullTime(r.state.since) },
          { id: 'reason', title: t('registration.reason'), cell: (r) => r.state?.reason },
          { id: 'address', title: t('peer.host'), cell: (r) => r.state?.address },
          { id: 'next', title: t('registration.next'), cell: (r) => r.state?.next && fullTime(r.state.next) },
          { id: 'expiry', title: t('registration.expiry'), right: true, cell: (r) => (Number(r.expiry) ? `${seconds(r.expiry, 0)} s` : '') },
          { id: 'listener', title: t('peer.listener'), cell: (r) => r.listener },
          { id: 'node', title: t('registration.node'), cell: (r) => r.node },
        ]}
      />
      {editing && (
        <EditForm
          title={editing.id ? text(editing.values, 'key') : t('registration.new')}
          initial={editing.values}
          save={save}
          {...(editing.id ? { remove: () => remove(editing.id ?? '') } : {})}
          close={() => setEditing(null)}
          fields={[
            { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: editing.id !== undefined },
            { name: 'originator', label: t('registration.originator'), kind: 'select', options: originators.map((o) => ({ value: o.id, label: o.key })), hint: t('registration.originatorHint') },
            { name: 'registrar', label: t('registration.registrar'), kind: 'text', required: true },
            { name: 'proxy', label: t('registration.proxy'), kind: 'text', hint: t('registration.proxyHint') },
            { name: 'transport', label: t('peer.transport'), kind: 'select', options: ['', 'udp', 'tcp', 'tls'].map((v) => ({ value: v, label: v || t('registration.auto') })) },
            { name: 'user', label: t('registration.user'), kind: 'text', required: true },
            { name: 'authUser', label: t('registration.authUser'), kind: 'text' },
            { name: 'password', label: t('registration.password'), kind: 'password', hint: t('registration.passwordHint') },
            { name: 'expiry', label: t('registration.expiry'), kind: 'text', hint: t('registration.expiryHint') },
            { name: 'listener', label: t('peer.listener'), kind: 'text' },
            { name: 'node', label: t('registration.node'), kind: 'text', hint: t('registration.nodeHint') },
            { name: 'disabled', label: t('registration.disabled'), kind: 'check' },
          ]}
        />
      )}
    </Page>
  );
}
