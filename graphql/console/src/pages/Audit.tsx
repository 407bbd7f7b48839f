import { useNavigate, useSearch } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { fullTime } from '../parts/format';
import { Export } from '../parts/Export';
import { Page, Tag } from '../parts/Page';
import { Pager } from '../parts/Pager';

const AuditQuery = graphql(`
  query Audit($first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    audit(first: $first, after: $after, last: $last, before: $before) {
      nodes {
        journal
        position
        at
        kind
        actor
        address
        note
        count
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

const bad = new Set(['SIGN_IN_FAILED', 'SOURCE_REJECTED', 'TERMINATOR_DOWN', 'REGISTRATION_LOST', 'GUARD_TRIPPED']);

export function Audit() {
  const { t } = useTexts();
  const navigate = useNavigate();
  const search = useSearch({ from: '/audit' });
  const page = search.before ? { last: 100, before: search.before } : { first: 100, ...(search.after ? { after: search.after } : {}) };
  const [{ data, error, fetching }] = useQuery({ query: AuditQuery, variables: page });
  const audit = data?.audit;
  return (
    <Page title={t('nav.audit')} error={error} actions={<Export list="audit" />} loading={fetching}>
      <DataTable
        label={t('nav.audit')}
        rows={audit?.nodes ?? []}
        rowKey={(a) => `${a.journal}/${a.position}`}
        loading={fetching}
        maxHeight="calc(100vh - 170px)"
        columns={[
          { id: 'at', title: t('audit.at'), cell: (a) => fullTime(a.at) },
          { id: 'kind', title: t('audit.kind'), cell: (a) => <Tag tone={bad.has(a.kind) ? 'bad' : undefined}>{t(`audit.${a.kind}`)}</Tag> },
          { id: 'actor', title: t('audit.actor'), cell: (a) => a.actor },
          { id: 'address', title: t('audit.address'), cell: (a) => a.address },
          { id: 'note', title: t('audit.note'), cell: (a) => a.note },
          { id: 'count', title: t('audit.count'), right: true, cell: (a) => a.count },
          { id: 'position', title: t('entry.position'), right: true, cell: (a) => `${a.journal} ${a.position}` },
        ]}
      />
      <Pager info={audit?.pageInfo} asOf={audit?.asOf} go={(to) => void navigate({ to: '/audit', search: to })} />
    </Page>
  );
}
