import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';

const PutList = graphql(`
  mutation PutNumberList($input: NumberListPutInput!) {
    numberListPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveList = graphql(`
  mutation RemoveNumberList($input: RemoveInput!) {
    numberListRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

interface List {
  id: string;
  key: string;
  name: string;
  prefixes: readonly string[];
  numbers: readonly string[];
  version: string;
}

/** A list of numbers that peers block or allow. */
export function NumberListForm({ of, close, changed }: { of: List | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutList);
  const [, drop] = useMutation(RemoveList);
  const save = async (v: Values) => {
    const answer = await put({
      input: { key: text(v, 'key'), name: text(v, 'name'), prefixes: lines(v, 'prefixes'), numbers: lines(v, 'numbers'), expectedVersion: of?.version ?? '0' },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.numberListPut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.numberListRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('route.list')} ${of?.key ?? ''}`}
      initial={{ key: of?.key ?? '', name: of?.name ?? '', prefixes: of?.prefixes.join('\n') ?? '', numbers: of?.numbers.join('\n') ?? '' }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'prefixes', label: t('route.prefix'), kind: 'lines' },
        { name: 'numbers', label: t('route.numbers'), kind: 'lines' },
      ]}
    />
  );
}
