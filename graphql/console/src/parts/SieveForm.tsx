import { useMutation, useQuery } from 'urql';
import { graphql, type VariablesOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { sipFields, sipInitial, sipInput, type SipPolicy } from './sip';
import { EditForm, type Field, lines, mistakesOf, rowsOf, text, type Values } from './EditForm';

const ListsQuery = graphql(`
  query ListNames {
    numberLists(first: 500) {
      nodes {
        id
        key
      }
    }
  }
`);

const PutOriginator = graphql(`
  mutation PutOriginatorSieve($input: OriginatorPutInput!) {
    originatorPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const PutTerminator = graphql(`
  mutation PutTerminatorSieve($input: TerminatorPutInput!) {
    terminatorPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

type Input = VariablesOf<typeof PutTerminator>['input'];
type NumberField = NonNullable<Input['rewrites']>[number]['field'];

export interface Peer {
  key: string;
  version: string;
  rewrites: readonly { field: string; pattern: string; replacement: string; last: boolean }[];
  lists: readonly { listId: string; field: string; allow: boolean }[];
  listener: string;
  nodes: readonly string[];
  nodesFailover: boolean;
  redirect?: boolean;
  sip: SipPolicy;
  certificate?: string;
  authUser?: string;
  ping?: { interval: string; timeout: string; upCodes: readonly number[]; downAfter: number; upAfter: number } | null;
}

const rewritten = ['CALLED', 'CALLER', 'CALLER_NAME'] as const;
const listed = ['CALLED', 'CALLER'] as const;

function fieldOf(value: unknown): NumberField {
  return rewritten.find((f) => f === value) ?? 'CALLED';
}

/** What a peer does to numbers: its rewrite rules and its number lists. */
export function SieveForm({ kind, of, close, changed }: { kind: 'originator' | 'terminator'; of: Peer; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [{ data }] = useQuery({ query: ListsQuery });
  const [, putOriginator] = useMutation(PutOriginator);
  const [, putTerminator] = useMutation(PutTerminator);
  const save = async (v: Values) => {
    const shared: Input = {
      key: of.key,
      rewrites: rowsOf(v, 'rewrites').map((r) => ({ field: fieldOf(r['field']), pattern: String(r['pattern'] ?? ''), replacement: String(r['replacement'] ?? ''), last: r['last'] === true })),
      lists: rowsOf(v, 'lists').map((l) => ({ list: text(l, 'list'), field: fieldOf(l['field']), allow: l['use'] === 'allow' })),
      listener: text(v, 'listener'),
      nodes: lines(v, 'nodes'),
      nodesFailover: v['nodesFailover'] === true,
      sip: sipInput(v),
      expectedVersion: of.version,
    };
    const every = text(v, 'interval');
    const ping = every ? { interval: every, timeout: text(v, 'timeout') || '0', downAfter: Number(text(v, 'downAfter')), upCodes: lines(v, 'upCodes').map(Number), upAfter: of.ping?.upAfter ?? 0 } : null;
    const answer = kind === 'originator' ? await putOriginator({ input: { ...shared, certificate: text(v, 'certificate'), redirect: v['redirect'] === true, authUser: text(v, 'authUser'), ...(text(v, 'authPassword') ? { authPassword: text(v, 'authPassword') } : {}) } }) : await putTerminator({ input: { ...shared, ping } });
    changed();
    const payload = answer.data && ('originatorPut' in answer.data ? answer.data.originatorPut : answer.data.terminatorPut);
    return mistakesOf(answer.error, payload?.userErrors);
  };
  if (!data) return null;
  const pinged: Field[] = [
    { name: 'interval', label: t('ping.interval'), kind: 'text', hint: t('ping.intervalHint') },
    { name: 'timeout', label: t('ping.timeout'), kind: 'text' },
    { name: 'downAfter', label: t('ping.downAfter'), kind: 'text' },
    { name: 'upCodes', label: t('ping.upCodes'), kind: 'text', hint: t('ping.upCodesHint') },
  ];
  return (
    <EditForm
      title={of.key}
      initial={{
        rewrites: of.rewrites.map((r) => ({ field: r.field, pattern: r.pattern, replacement: r.replacement, last: r.last })),
        lists: of.lists.map((l) => ({ use: l.allow ? 'allow' : 'block', list: l.listId, field: l.field })),
        listener: of.listener,
        nodes: of.nodes.join(' '),
        nodesFailover: of.nodesFailover,
        ...sipInitial(of.sip),
        certificate: of.certificate ?? '',
        redirect: of.redirect === true,
        authUser: of.authUser ?? '',
        authPassword: '',
        interval: of.ping ? String(Number(of.ping.interval)) : '',
        timeout: of.ping && Number(of.ping.timeout) ? String(Number(of.ping.timeout)) : '',
        downAfter: of.ping?.downAfter ? String(of.ping.downAfter) : '',
        upCodes: of.ping?.upCodes.join(' ') ?? '',
      }}
      save={save}
      close={close}
      fields={[
        { name: 'listener', label: t('peer.listener'), kind: 'text', hint: t('peer.listenerHint') },
        { name: 'nodes', label: t('peer.nodes'), kind: 'text', hint: t('peer.nodesHint') },
        { name: 'nodesFailover', label: t('peer.nodesFailover'), kind: 'check' },
        ...(kind === 'originator' ? ([
              { name: 'authUser', label: t('peer.authUser'), kind: 'text', hint: t('peer.authUserHint') },
              { name: 'authPassword', label: t('subscriber.password'), kind: 'password', hint: t('subscriber.passwordHint') },
              { name: 'certificate', label: t('peer.certificate'), kind: 'text', hint: t('peer.certificateHint') },
              { name: 'redirect', label: t('peer.redirect'), kind: 'check' },
            ] satisfies Field[]) : pinged),
        ...sipFields(t, kind === 'terminator'),
        {
          name: 'rewrites',
          label: t('peer.rewrites'),
          hint: t('sieve.rewritesHint'),
          kind: 'rows',
          columns: [
            { name: 'field', label: t('sieve.field'), kind: 'select', options: rewritten.map((f) => ({ value: f, label: t(`sieve.${f}`) })) },
            { name: 'pattern', label: t('sieve.pattern'), kind: 'text', required: true },
            { name: 'replacement', label: t('sieve.replacement'), kind: 'text' },
            { name: 'last', label: t('sieve.last'), kind: 'check' },
          ],
        },
        {
          name: 'lists',
          label: t('route.lists'),
          kind: 'rows',
          columns: [
            {
              name: 'use',
              label: t('sieve.use'),
              kind: 'select',
              options: [
                { value: 'block', label: t('sieve.block') },
                { value: 'allow', label: t('sieve.allow') },
              ],
            },
            { name: 'list', label: t('route.list'), kind: 'select', options: data.numberLists.nodes.map((l) => ({ value: l.id, label: l.key })) },
            { name: 'field', label: t('sieve.field'), kind: 'select', options: listed.map((f) => ({ value: f, label: t(`sieve.${f}`) })) },
          ],
        },
      ]}
    />
  );
}
