import { useMutation } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, type Values } from './EditForm';

const PutEmergency = graphql(`
  mutation PutEmergency($input: SettingsPutInput!) {
    settingsPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

interface Settings {
  emergencyNumbers: readonly string[];
  emergencyPrefixes: readonly string[];
  version: string;
}

/** The numbers that no lack of money and no limit refuses. */
export function EmergencyForm({ of, close, changed }: { of: Settings; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutEmergency);
  const save = async (v: Values) => {
    const answer = await put({ input: { emergencyNumbers: lines(v, 'numbers'), emergencyPrefixes: lines(v, 'prefixes'), expectedVersion: of.version } });
    changed();
    return mistakesOf(answer.error, answer.data?.settingsPut.userErrors);
  };
  return (
    <EditForm
      title={t('route.emergency')}
      initial={{ numbers: of.emergencyNumbers.join('\n'), prefixes: of.emergencyPrefixes.join('\n') }}
      save={save}
      close={close}
      fields={[
        { name: 'numbers', label: t('route.numbers'), kind: 'lines' },
        { name: 'prefixes', label: t('route.prefix'), kind: 'lines' },
      ]}
    />
  );
}
