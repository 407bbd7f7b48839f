import { useMutation } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';
import { keyOf } from './format';

export const WebhooksQuery = graphql(`
  query Webhooks {
    webhooks(first: 500) {
      nodes {
        id
        key
        name
        disabled
        companyId
        kinds
        url
        mailTo
        language
        cursor
        at
        failingSince
        reason
        paused
        version
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const PutWebhook = graphql(`
  mutation PutWebhook($input: WebhookPutInput!) {
    webhookPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveWebhook = graphql(`
  mutation RemoveWebhook($input: RemoveInput!) {
    webhookRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

export type Webhook = ResultOf<typeof WebhooksQuery>['webhooks']['nodes'][number];
type Kind = Webhook['kinds'][number];

/** A webhook. Its secret is written and never shown: left empty, it stays. */
export function WebhookForm({ of, close, changed }: { of: Webhook | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutWebhook);
  const [, drop] = useMutation(RemoveWebhook);
  const save = async (v: Values) => {
    const secret = text(v, 'secret');
    const ca = text(v, 'ca');
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        disabled: v['disabled'] === true,
        company: text(v, 'company') || null,
        // What is no kind is refused by the switch, which says so.
        kinds: lines(v, 'kinds').map((k) => k.toUpperCase() as Kind),
        url: text(v, 'url'),
        mailTo: lines(v, 'mailTo'),
        // Words are for people alone.
        language: lines(v, 'mailTo').length ? text(v, 'language') : '',
        ...(secret ? { secret } : {}),
        ...(ca ? { ca: `${ca}\n` } : {}),
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.webhookPut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.webhookRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('hooks.webhook')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        disabled: of?.disabled ?? false,
        company: of?.companyId ? keyOf(of.companyId) : '',
        kinds: of?.kinds.join('\n') ?? '',
        url: of?.url ?? '',
        mailTo: of?.mailTo.join('\n') ?? '',
        language: of?.language || 'en',
        secret: '',
        ca: '',
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'disabled', label: t('guard.disabled'), kind: 'check' },
        { name: 'company', label: t('files.company'), kind: 'text', hint: t('hooks.companyHint') },
        { name: 'kinds', label: t('hooks.kinds'), kind: 'lines', hint: 'CALL_CHARGED, MONEY_POSTED …' },
        { name: 'url', label: t('files.url'), kind: 'text', hint: 'https://erp.example.net/tollbook' },
        { name: 'mailTo', label: t('hooks.mailTo'), kind: 'lines', hint: t('hooks.mailToHint') },
        { name: 'language', label: t('hooks.language'), kind: 'select', options: [{ value: 'en', label: 'English' }, { value: 'ru', label: 'Русский' }] },
        { name: 'secret', label: t('hooks.secret'), kind: 'password', hint: t('hooks.secretHint') },
        { name: 'ca', label: t('files.ca'), kind: 'lines', hint: t('files.caHint') },
      ]}
    />
  );
}
