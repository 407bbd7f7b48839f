import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, mistakesOf, text, type Values } from './EditForm';

const PutDid = graphql(`
  mutation PutDid($input: DidPutInput!) {
    didPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveDid = graphql(`
  mutation RemoveDid($input: RemoveInput!) {
    didRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

export interface Did {
  id: string;
  number: string;
  company: { key: string } | null;
  subscriber: { key: string } | null;
  terminator: { key: string } | null;
  account: { key: string } | null;
  sellDeck: { key: string } | null;
  disabled: boolean;
  version: string;
}

/** A number: whom it leads to, and who pays for being called. */
export function DidForm({ of, close, changed }: { of: Did | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutDid);
  const [, drop] = useMutation(RemoveDid);
  const save = async (v: Values) => {
    const answer = await put({
      input: {
        number: text(v, 'number'),
        company: text(v, 'company'),
        subscriber: text(v, 'subscriber'),
        terminator: text(v, 'terminator'),
        account: text(v, 'account'),
        sellDeck: text(v, 'sellDeck'),
        disabled: v.disabled === true,
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.didPut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.didRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('subscriber.did')} ${of?.number ?? ''}`}
      initial={{
        number: of?.number ?? '',
        company: of?.company?.key ?? '',
        subscriber: of?.subscriber?.key ?? '',
        terminator: of?.terminator?.key ?? '',
        account: of?.account?.key ?? '',
        sellDeck: of?.sellDeck?.key ?? '',
        disabled: of?.disabled ?? false,
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'number', label: t('subscriber.did'), kind: 'text', required: true, fixed: of !== null },
        { name: 'company', label: t('account.company'), kind: 'text', required: true },
        { name: 'subscriber', label: t('subscriber.subscriber'), kind: 'text', hint: t('subscriber.didHint') },
        { name: 'terminator', label: t('subscriber.terminator'), kind: 'text' },
        { name: 'account', label: t('account.account'), kind: 'text', hint: t('subscriber.payerHint') },
        { name: 'sellDeck', label: t('peer.deck'), kind: 'text' },
        { name: 'disabled', label: t('company.disabled'), kind: 'check' },
      ]}
    />
  );
}
