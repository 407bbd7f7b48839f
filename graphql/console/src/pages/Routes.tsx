import { Button, Group } from '@mantine/core';
import { useState } from 'react';
import { useQuery } from 'urql';
import { graphql, type ResultOf } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { EmergencyForm } from '../parts/EmergencyForm';
import { seconds } from '../parts/format';
import { showHours } from '../parts/hours';
import { NumberListForm } from '../parts/NumberListForm';
import { Page, Section } from '../parts/Page';
import classes from '../parts/parts.module.css';
import { PlanForm } from '../parts/PlanForm';
import { useRights } from '../session';

const RoutesQuery = graphql(`
  query Routes {
    routePlans(first: 20) {
      nodes {
        id
        key
        name
        version
        order {
          criterion
          figure
          step
          window
          minimumAttempts
        }
        huntRules {
          sipCode
          q850
          stop
        }
        routes(first: 200) {
          nodes {
            id
            prefix
            priority
            weight
            disabled
            callerPrefixes
            hours {
              fromMinute
              toMinute
            }
            timeZone
            pddTimeout
            ringTimeout
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
    settings {
      emergencyNumbers
      emergencyPrefixes
      version
    }
    numberLists(first: 100) {
      nodes {
        id
        key
        name
        prefixes
        numbers
        version
      }
    }
  }
`);

type Plan = ResultOf<typeof RoutesQuery>['routePlans']['nodes'][number];
type Route = Plan['routes']['nodes'][number];
type List = ResultOf<typeof RoutesQuery>['numberLists']['nodes'][number];

const hours = (r: Route): string => (r.hours.length === 0 ? '' : `${showHours(r.hours)} ${r.timeZone || 'UTC'}`);

/** A plan's order and rules in a line. */
function rules(plan: Plan): string {
  const order = plan.order.map((o) => [o.criterion, o.figure, o.window ? `${o.window} s` : '', o.step ? `± ${o.step}` : ''].filter(Boolean).join(' '));
  const hunt = plan.huntRules.map((h) => `${h.sipCode || '*'}/${h.q850 || '*'} ${h.stop ? '■' : '→'}`);
  return [order.join(', '), hunt.join(', ')].filter(Boolean).join(' · ');
}

export function Routes() {
  const { t } = useTexts();
  const { traffic, admin } = useRights();
  const [{ data, error }, again] = useQuery({ query: RoutesQuery });
  const [plan, setPlan] = useState<Plan | null>(null);
  const [list, setList] = useState<List | 'new' | null>(null);
  const [emergency, setEmergency] = useState(false);
  const refresh = () => again({ requestPolicy: 'network-only' });
  return (
    <Page title={t('nav.routes')} error={error} asOf={data?.routePlans.asOf} loading={!data && !error}>
      {data?.routePlans.nodes.map((plan) => (
        <Section
          key={plan.id}
          title={`${t('route.plan')}: ${plan.name || plan.key}`}
          actions={
            <Group gap={8}>
              <span className={classes.note}>{rules(plan)}</span>
              {traffic && (
                <Button size="compact-xs" variant="default" aria-label={`${t('edit.edit')}: ${plan.key}`} onClick={() => setPlan(plan)}>
                  {t('edit.edit')}
                </Button>
              )}
            </Group>
          }
        >
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
              { id: 'callers', title: t('route.callers'), cell: (r) => r.callerPrefixes.join(', ') },
              { id: 'hours', title: t('route.hours'), cell: hours },
              {
                id: 'timeouts',
                title: t('peer.timeouts'),
                right: true,
                cell: (r) => (Number(r.pddTimeout) || Number(r.ringTimeout) ? `${seconds(r.pddTimeout, 1)} / ${seconds(r.ringTimeout, 1)} s` : ''),
              },
            ]}
          />
        </Section>
      ))}
      {data && (
        <Section
          title={t('route.emergency')}
          actions={
            admin && (
              <Button size="compact-xs" variant="default" aria-label={`${t('edit.edit')}: ${t('route.emergency')}`} onClick={() => setEmergency(true)}>
                {t('edit.edit')}
              </Button>
            )
          }
        >
          <span className={classes.note}>{[...data.settings.emergencyNumbers, ...data.settings.emergencyPrefixes.map((p) => `${p}…`)].join(', ') || t('route.none')}</span>
        </Section>
      )}
      {emergency && data && <EmergencyForm of={data.settings} close={() => setEmergency(false)} changed={refresh} />}
      <Section
        title={t('route.lists')}
        actions={
          traffic && (
            <Button size="compact-xs" variant="default" onClick={() => setList('new')}>
              {t('edit.new')}
            </Button>
          )
        }
      >
        <DataTable
          label={t('route.lists')}
          rows={data?.numberLists.nodes ?? []}
          rowKey={(l) => l.id}
          {...(traffic ? { open: setList } : {})}
          columns={[
            { id: 'key', title: t('company.key'), cell: (l) => l.key },
            { id: 'name', title: t('company.name'), cell: (l) => l.name },
            { id: 'prefixes', title: t('route.prefix'), cell: (l) => l.prefixes.slice(0, 20).join(', ') + (l.prefixes.length > 20 ? ' …' : '') },
            { id: 'numbers', title: t('route.numbers'), cell: (l) => l.numbers.slice(0, 20).join(', ') + (l.numbers.length > 20 ? ' …' : '') },
          ]}
        />
      </Section>
      {plan && <PlanForm of={plan} close={() => setPlan(null)} changed={refresh} />}
      {list && <NumberListForm of={list === 'new' ? null : list} close={() => setList(null)} changed={refresh} />}
    </Page>
  );
}
