import { useMutation } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';
import { keyOf } from './format';

export const ProfilesQuery = graphql(`
  query CdrProfiles {
    cdrProfiles(first: 500) {
      nodes {
        id
        key
        name
        disabled
        companyId
        accountId
        from
        intervalSeconds
        offsetSeconds
        format
        columns
        directory
        url
        hostKey
        last {
          number
          rows
          cutAt
          deliveredAt
          sha256
        }
        version
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const PutProfile = graphql(`
  mutation PutCdrProfile($input: CdrProfilePutInput!) {
    cdrProfilePut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveProfile = graphql(`
  mutation RemoveCdrProfile($input: RemoveInput!) {
    cdrProfileRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

export type Profile = ResultOf<typeof ProfilesQuery>['cdrProfiles']['nodes'][number];

const formats = ['CSV', 'PIPE', 'XLSX'] as const;

/** A profile of CDR files. Secrets are written and never shown: what is left empty stays. */
export function CdrProfileForm({ of, close, changed }: { of: Profile | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutProfile);
  const [, drop] = useMutation(RemoveProfile);
  const save = async (v: Values) => {
    for (const name of ['intervalSeconds', 'offsetSeconds']) {
      if (!/^\d+$/.test(text(v, name))) return [{ message: t('guard.numberWrong'), path: `input.${name}` }];
    }
    const from = Date.parse(text(v, 'from'));
    if (Number.isNaN(from)) return [{ message: t('files.fromWrong'), path: 'input.from' }];
    const token = text(v, 'token');
    const ca = text(v, 'ca');
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        disabled: v['disabled'] === true,
        company: text(v, 'company') || null,
        account: text(v, 'account') || null,
        from: text(v, 'from'), // as it was written: a Date has no microseconds
        intervalSeconds: Number(text(v, 'intervalSeconds')),
        offsetSeconds: Number(text(v, 'offsetSeconds')),
        format: formats.find((f) => f === v['format']) ?? 'CSV',
        columns: lines(v, 'columns'),
        directory: text(v, 'directory'),
        url: text(v, 'url'),
        hostKey: text(v, 'hostKey'),
        // A private key ends with a line end.
        ...(token ? { token: token.startsWith('-----BEGIN') ? `${token}\n` : token } : {}),
        // Only https has certificates: those that were given go with the address.
        ...(!text(v, 'url').startsWith('https:') ? { ca: '' } : ca ? { ca: `${ca}\n` } : {}),
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.cdrProfilePut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.cdrProfileRemove.userErrors);
  };
  return (
    <EditForm
      title={`${t('files.profile')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        disabled: of?.disabled ?? false,
        company: of?.companyId ? keyOf(of.companyId) : '',
        account: of?.accountId ? keyOf(of.accountId) : '',
        from: of?.from ?? `${new Date().toISOString().slice(0, 10)}T00:00:00Z`,
        intervalSeconds: String(of?.intervalSeconds ?? 86_400),
        offsetSeconds: String(of?.offsetSeconds ?? 0),
        format: of?.format ?? 'CSV',
        columns: of?.columns.join('\n') ?? '',
        directory: of?.directory ?? '',
        url: of?.url ?? '',
        hostKey: of?.hostKey ?? '',
        token: '',
        ca: '',
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'disabled', label: t('guard.disabled'), kind: 'check' },
        { name: 'company', label: t('files.company'), kind: 'text', hint: t('files.whoseHint'), fixed: of !== null },
        { name: 'account', label: t('account.account'), kind: 'text', fixed: of !== null },
        { name: 'from', label: t('files.from'), kind: 'text', required: true, hint: t('files.fromHint') },
        { name: 'intervalSeconds', label: t('files.interval'), kind: 'text', required: true },
        { name: 'offsetSeconds', label: t('files.offset'), kind: 'text', required: true, hint: t('files.offsetHint') },
        { name: 'format', label: t('files.format'), kind: 'select', options: formats.map((f) => ({ value: f, label: t(`files.${f}`) })) },
        { name: 'columns', label: t('files.columns'), kind: 'lines', hint: t('files.columnsHint') },
        { name: 'directory', label: t('files.directory'), kind: 'text', hint: t('files.directoryHint') },
        { name: 'url', label: t('files.url'), kind: 'text', hint: 'https://… · sftp://user@host:22/in' },
        { name: 'hostKey', label: t('files.hostKey'), kind: 'text', hint: t('files.hostKeyHint') },
        { name: 'token', label: t('files.token'), kind: 'lines', hint: t('files.tokenHint') },
        { name: 'ca', label: t('files.ca'), kind: 'lines', hint: t('files.caHint') },
      ]}
    />
  );
}
