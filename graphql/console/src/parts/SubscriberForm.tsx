import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { srtpFields, srtpInput, type SipPolicy } from './sip';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';

const PutSubscriber = graphql(`
  mutation PutSubscriber($input: SubscriberPutInput!) {
    subscriberPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveSubscriber = graphql(`
  mutation RemoveSubscriber($input: RemoveInput!) {
    subscriberRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

export interface Subscriber {
  id: string;
  key: string;
  name: string;
  company: { key: string } | null;
  account: { key: string } | null;
  sellDeck: { key: string } | null;
  routePlan: { key: string } | null;
  callerNumber: string;
  channels: number;
  maxContacts: number;
  codecs: readonly string[];
  forwardAlways: string;
  forwardBusy: string;
  forwardNoAnswer: string;
  noAnswer: string;
  srtp: SipPolicy['srtp'];
  srtpOnPlain: boolean;
  transfers: boolean;
  disabled: boolean;
  version: string;
}

/** A subscriber: who pays, what is shown, where calls go on to. The password can be set, not read. */
export function SubscriberForm({ of, close, changed }: { of: Subscriber | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutSubscriber);
  const [, drop] = useMutation(RemoveSubscriber);
  const save = async (v: Values) => {
    const password = text(v, 'password');
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        company: text(v, 'company'),
        account: text(v, 'account'),
        sellDeck: text(v, 'sellDeck'),
        routePlan: text(v, 'routePlan'),
        callerNumber: text(v, 'callerNumber'),
        channels: Number(text(v, 'channels')) || 0,
        maxContacts: Number(text(v, 'maxContacts')) || 0,
        codecs: lines(v, 'codecs'),
        forwardAlways: text(v, 'forwardAlways'),
        forwardBusy: text(v, 'forwardBusy'),
        forwardNoAnswer: text(v, 'forwardNoAnswer'),
        noAnswer: text(v, 'noAnswer') || '0',
        ...srtpInput(v),
        transfers: v.transfers === true,
        disabled: v.disabled === true,
        expectedVersion: of?.version ?? '0',
        ...(password ? { password } : {}),
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.subscriberPut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.subscriberRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('subscriber.subscriber')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        company: of?.company?.key ?? '',
        account: of?.account?.key ?? '',
        sellDeck: of?.sellDeck?.key ?? '',
        routePlan: of?.routePlan?.key ?? '',
        password: '',
        callerNumber: of?.callerNumber ?? '',
        channels: String(of?.channels ?? 0),
        maxContacts: String(of?.maxContacts ?? 0),
        codecs: of?.codecs.join('\n') ?? '',
        forwardAlways: of?.forwardAlways ?? '',
        forwardBusy: of?.forwardBusy ?? '',
        forwardNoAnswer: of?.forwardNoAnswer ?? '',
        noAnswer: String(Number(of?.noAnswer ?? 0)),
        srtp: of?.srtp ?? 'NEVER',
        srtpOnPlain: of?.srtpOnPlain ?? false,
        transfers: of?.transfers ?? false,
        disabled: of?.disabled ?? false,
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'password', label: t('subscriber.password'), kind: 'password', hint: t('subscriber.passwordHint') },
        { name: 'company', label: t('account.company'), kind: 'text', required: true },
        { name: 'account', label: t('account.account'), kind: 'text', required: true },
        { name: 'sellDeck', label: t('peer.deck'), kind: 'text', required: true },
        { name: 'routePlan', label: t('peer.plan'), kind: 'text' },
        { name: 'callerNumber', label: t('subscriber.callerNumber'), kind: 'text' },
        { name: 'channels', label: t('account.channels'), kind: 'text' },
        { name: 'maxContacts', label: t('subscriber.maxContacts'), kind: 'text' },
        { name: 'forwardAlways', label: t('subscriber.forwardAlways'), kind: 'text', hint: t('subscriber.forwardHint') },
        { name: 'forwardBusy', label: t('subscriber.forwardBusy'), kind: 'text' },
        { name: 'forwardNoAnswer', label: t('subscriber.forwardNoAnswer'), kind: 'text' },
        { name: 'noAnswer', label: t('subscriber.noAnswer'), kind: 'text' },
        { name: 'codecs', label: t('subscriber.codecs'), kind: 'lines' },
        ...srtpFields(t),
        { name: 'transfers', label: t('sip.transfers'), kind: 'check' },
        { name: 'disabled', label: t('company.disabled'), kind: 'check' },
      ]}
    />
  );
}
