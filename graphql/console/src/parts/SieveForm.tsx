import { useMutation, useQuery } from 'urql';
import { graphql, type VariablesOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, mistakesOf, rowsOf, text, type Values } from './EditForm';

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
    const input: Input = {
      key: of.key,
      rewrites: rowsOf(v, 'rewrites').map((r) => ({ field: fieldOf(r['field']), pattern: String(r['pattern'] ?? ''), replacement: String(r['replacement'] ?? ''), last: r['last'] === true })),
      lists: rowsOf(v, 'lists').map((l) => ({ list: text(l, 'list'), field: fieldOf(l['field']), allow: l['use'] === 'allow' })),
      expectedVersion: of.version,
    };
    const answer = kind === 'originator' ? await putOriginator({ input }) : await putTerminator({ input });
    changed();
    const payload = answer.data && ('originatorPut' in answer.data ? answer.data.originatorPut : answer.data.terminatorPut);
    return mistakesOf(answer.error, payload?.userErrors);
  };
  if (!data) return null;
  return (
    <EditForm
      title={`${t('peer.rewrites')}: ${of.key}`}
      initial={{
        rewrites: of.rewrites.map((r) => ({ field: r.field, pattern: r.pattern, replacement: r.replacement, last: r.last })),
        lists: of.lists.map((l) => ({ use: l.allow ? 'allow' : 'block', list: l.listId, field: l.field })),
      }}
      save={save}
      close={close}
      fields={[
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
