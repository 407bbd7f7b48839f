import { useMutation } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { EditForm, lines, mistakesOf, text, type Values } from './EditForm';
import { keyOf } from './format';

export const EvidenceQuery = graphql(`
  query EvidenceRules {
    evidenceRules(first: 500) {
      nodes {
        id
        key
        name
        disabled
        priority
        originatorIds
        terminatorIds
        subscriberIds
        callers
        called
        numberListId
        perMille
        recording
        capture
        version
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const PutRule = graphql(`
  mutation PutEvidenceRule($input: EvidenceRulePutInput!) {
    evidenceRulePut(input: $input) {
      userErrors {
        message
        path
      }
    }
  }
`);

const RemoveRule = graphql(`
  mutation RemoveEvidenceRule($input: RemoveInput!) {
    evidenceRuleRemove(input: $input) {
      userErrors {
        message
      }
    }
  }
`);

export type EvidenceRule = ResultOf<typeof EvidenceQuery>['evidenceRules']['nodes'][number];

const recordings = ['ON', 'OFF'] as const;
const captures = ['SIP', 'FULL', 'OFF'] as const;

/** Which calls a rule is for, in a line. */
export function evidenceLine(r: EvidenceRule, everybody: string): string {
  const some = (sign: string, list: readonly string[]) => list.length > 0 && sign + list.slice(0, 10).join(', ') + (list.length > 10 ? ' …' : '');
  return (
    [
      some('', [...r.originatorIds, ...r.subscriberIds].map(keyOf)),
      some('→ ', r.terminatorIds.map(keyOf)),
      some('', r.callers),
      some('→ ', r.called),
      r.numberListId && keyOf(r.numberListId),
      r.perMille > 0 && `${r.perMille / 10} %`,
    ]
      .filter(Boolean)
      .join(' · ') || everybody
  );
}

/** A rule of which calls are recorded and captured. */
export function EvidenceRuleForm({ of, close, changed }: { of: EvidenceRule | null; close: () => void; changed: () => void }) {
  const { t } = useTexts();
  const [, put] = useMutation(PutRule);
  const [, drop] = useMutation(RemoveRule);
  const save = async (v: Values) => {
    for (const name of ['priority', 'perMille']) {
      if (!/^\d*$/.test(text(v, name))) return [{ message: t('guard.numberWrong'), path: `input.${name}` }];
    }
    const answer = await put({
      input: {
        key: text(v, 'key'),
        name: text(v, 'name'),
        disabled: v['disabled'] === true,
        priority: Number(text(v, 'priority') || '0'),
        originators: lines(v, 'originators'),
        terminators: lines(v, 'terminators'),
        subscribers: lines(v, 'subscribers'),
        callers: lines(v, 'callers'),
        called: lines(v, 'called'),
        numberList: text(v, 'numberList') || null,
        perMille: Number(text(v, 'perMille') || '0'),
        recording: recordings.find((p) => p === v['recording']) ?? null,
        capture: captures.find((p) => p === v['capture']) ?? null,
        expectedVersion: of?.version ?? '0',
      },
    });
    changed();
    return mistakesOf(answer.error, answer.data?.evidenceRulePut.userErrors);
  };
  const remove = async () => {
    const answer = await drop({ input: { id: of!.id } });
    changed();
    return mistakesOf(answer.error, answer.data?.evidenceRuleRemove.userErrors);
  };
  const unsaid = { value: '', label: t('evidence.unsaid') };
  const keys = (ids: readonly string[] | undefined) => ids?.map(keyOf).join('\n') ?? '';
  return (
    <EditForm
      title={`${t('guard.rule')} ${of?.key ?? ''}`}
      initial={{
        key: of?.key ?? '',
        name: of?.name ?? '',
        disabled: of?.disabled ?? false,
        priority: String(of?.priority ?? 0),
        recording: of ? (of.recording ?? '') : 'ON',
        capture: of?.capture ?? '',
        perMille: of?.perMille ? String(of.perMille) : '',
        originators: keys(of?.originatorIds),
        terminators: keys(of?.terminatorIds),
        subscribers: keys(of?.subscriberIds),
        callers: of?.callers.join('\n') ?? '',
        called: of?.called.join('\n') ?? '',
        numberList: of?.numberListId ? keyOf(of.numberListId) : '',
      }}
      save={save}
      {...(of ? { remove } : {})}
      close={close}
      fields={[
        { name: 'key', label: t('company.key'), kind: 'text', required: true, fixed: of !== null },
        { name: 'name', label: t('company.name'), kind: 'text' },
        { name: 'disabled', label: t('guard.disabled'), kind: 'check' },
        { name: 'priority', label: t('evidence.priority'), kind: 'text', hint: t('evidence.priorityHint') },
        { name: 'recording', label: t('evidence.recording'), kind: 'select', options: [unsaid, ...recordings.map((p) => ({ value: p, label: t(`evidence.recording.${p}`) }))] },
        { name: 'capture', label: t('evidence.capture'), kind: 'select', options: [unsaid, ...captures.map((p) => ({ value: p, label: t(`evidence.capture.${p}`) }))] },
        { name: 'perMille', label: t('evidence.perMille'), kind: 'text', hint: t('evidence.perMilleHint') },
        { name: 'originators', label: t('evidence.originators'), kind: 'lines', hint: t('evidence.anyHint') },
        { name: 'terminators', label: t('evidence.terminators'), kind: 'lines', hint: t('evidence.anyHint') },
        { name: 'subscribers', label: t('evidence.subscribers'), kind: 'lines', hint: t('evidence.anyHint') },
        { name: 'callers', label: t('evidence.callers'), kind: 'lines' },
        { name: 'called', label: t('evidence.called'), kind: 'lines' },
        { name: 'numberList', label: t('evidence.numberList'), kind: 'text', hint: t('evidence.numberListHint') },
      ]}
    />
  );
}
