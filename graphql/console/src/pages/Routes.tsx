import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { Page, Section } from '../parts/Page';

const RoutesQuery = graphql(`
  query Routes {
    routePlans(first: 20) {
      nodes {
        id
        key
        name
        routes(first: 200) {
          nodes {
            id
            prefix
            priority
            weight
            disabled
            terminator {
              key
              host
            }
          }
        }
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

export function Routes() {
  const { t } = useTexts();
  const [{ data, error }] = useQuery({ query: RoutesQuery });
  return (
    <Page title={t('nav.routes')} error={error} asOf={data?.routePlans.asOf} loading={!data && !error}>
      {data?.routePlans.nodes.map((plan) => (
        <Section key={plan.id} title={`${t('route.plan')}: ${plan.name || plan.key}`}>
          <DataTable
            label={plan.key}
            rows={plan.routes.nodes}
            rowKey={(r) => r.id}
            faded={(r) => r.disabled}
            columns={[
              { id: 'prefix', title: t('route.prefix'), cell: (r) => r.prefix || '*' },
              { id: 'priority', title: t('route.priority'), right: true, cell: (r) => r.priority },
              { id: 'terminator', title: t('route.terminator'), cell: (r) => r.terminator?.key },
              { id: 'host', title: t('peer.host'), cell: (r) => r.terminator?.host },
              { id: 'weight', title: t('route.weight'), right: true, cell: (r) => r.weight },
            ]}
          />
        </Section>
      ))}
    </Page>
  );
}
