import { useMutation } from 'urql';
import { graphql, type VariablesOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, mistakesOf, type Row, rowsOf, text, type Values } from './EditForm';

const PutPlan = graphql(`
  mutation PutRoutePlan($input: RoutePlanPutInput!) {
    routePlanPut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

type Input = VariablesOf<typeof PutPlan>['input'];
type OrderBy = NonNullable<Input['order']>[number];

interface Plan {
  key: string;
  name: string;
  version: string;
  order: readonly { criterion: string; figure: string | null; step: number; window: number; minimumAttempts: number }[];
  huntRules: readonly { sipCode: number; q850: number; stop: boolean }[];
}

const criteria = ['PRIORITY', 'PRICE', 'WEIGHT', 'QUALITY'] as const;
const figures = ['ASR', 'NER', 'ACD', 'PDD'] as const;
const count = (row: Row, name: string) => Number(text(row, name) || '0');

function orderOf(row: Row): OrderBy {
  const criterion = criteria.find((c) => c === row['criterion']) ?? 'PRIORITY';
  const out: OrderBy = { criterion, step: count(row, 'step') };
  const figure = figures.find((f) => f === row['figure']);
  if (criterion !== 'QUALITY' || !figure) return out;
  return { ...out, figure, window: count(row, 'window') || 900, minimumAttempts: count(row, 'minimumAttempts') };
}

/** A route plan's order and the rules of hunting. */
export function PlanForm({ of, close, changed }: { of: Plan; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutPlan);
  const save = async (v: Values) => {
    const answer = await put({
      input: {
        key: of.key,
        name: text(v, 'name'),
        order: rowsOf(v, 'order').map(orderOf),
        huntRules: rowsOf(v, 'huntRules').map((r) => ({ sipCode: count(r, 'sipCode'), q850: count(r, 'q850'), stop: r['then'] === 'stop' })),
        expectedVersion: of.version,
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.routePlanPut.userErrors);
  };
  const shown = (n: number) => (n ? String(n) : '');
  return (
    <EditForm
      title={`${t('route.plan')} ${of.key}`}
      initial={{
        name: of.name,
        order: of.order.map((o) => ({ criterion: o.criterion, figure: o.figure ?? '', step: shown(o.step), window: shown(o.window), minimumAttempts: shown(o.minimumAttempts) })),
        huntRules: of.huntRules.map((h) => ({ sipCode: shown(h.sipCode), q850: shown(h.q850), then: h.stop ? 'stop' : 'go' })),
      }}
      save={save}
      close={close}
      fields={[
        { name: 'name', label: t('company.name'), kind: 'text' },
        {
          name: 'order',
          label: t('plan.order'),
          hint: t('plan.orderHint'),
          kind: 'rows',
          columns: [
            { name: 'criterion', label: t('plan.criterion'), kind: 'select', options: criteria.map((c) => ({ value: c, label: t(`plan.${c}`) })) },
            { name: 'figure', label: t('plan.figure'), kind: 'select', options: [{ value: '', label: '' }, ...figures.map((f) => ({ value: f as string, label: f as string }))] },
            { name: 'step', label: t('plan.step'), kind: 'text' },
            {
              name: 'window',
              label: t('plan.window'),
              kind: 'select',
              options: [
                { value: '', label: '' },
                { value: '900', label: '15 min' },
                { value: '3600', label: '1 h' },
                { value: '86400', label: '24 h' },
              ],
            },
            { name: 'minimumAttempts', label: t('plan.attempts'), kind: 'text' },
          ],
        },
        {
          name: 'huntRules',
          label: t('plan.hunt'),
          hint: t('plan.huntHint'),
          kind: 'rows',
          columns: [
            { name: 'sipCode', label: t('plan.sipCode'), kind: 'text' },
            { name: 'q850', label: 'Q.850', kind: 'text' },
            {
              name: 'then',
              label: t('plan.then'),
              kind: 'select',
              options: [
                { value: 'go', label: t('plan.go') },
                { value: 'stop', label: t('plan.stop') },
              ],
            },
          ],
        },
      ]}
    />
  );
}
