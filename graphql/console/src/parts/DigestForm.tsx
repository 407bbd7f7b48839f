import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';

const PutDigest = graphql(`
  mutation PutDigest($input: SettingsPutInput!) {
    settingsPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

interface Settings {
  digestAlgorithms: readonly string[];
  realm: string;
  version: string;
}

/** How strangers are asked who they are. */
export function DigestForm({ of, close, changed }: { of: Settings; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutDigest);
  const save = async (v: Values) => {
    const answer = await put({ input: { digestAlgorithms: lines(v, 'digestAlgorithms'), realm: text(v, 'realm'), expectedVersion: of.version } });
    changed();
    return mistakesOf(answer.error, answer.data?.settingsPut.userErrors);
  };
  return (
    <EditForm
      title={t('subscriber.digest')}
      initial={{ realm: of.realm, digestAlgorithms: of.digestAlgorithms.join(' ') }}
      save={save}
      close={close}
      fields={[
        { name: 'realm', label: t('subscriber.realm'), kind: 'text', hint: t('subscriber.realmHint') },
        { name: 'digestAlgorithms', label: t('subscriber.algorithms'), kind: 'text', hint: t('subscriber.algorithmsHint') },
      ]}
    />
  );
}
