import { Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { graphql } from '../api/graphql';
import { useTexts } from '../i18n/i18n';
import { DataTable } from '../parts/DataTable';
import { Export } from '../parts/Export';
import { Page, Tag } from '../parts/Page';
import classes from '../parts/parts.module.css';

const CompaniesQuery = graphql(`
  query Companies {
    companies(first: 500) {
      nodes {
        id
        key
        name
        timeZone
        disabled
        accounts {
          key
        }
        originators {
          key
        }
        terminators {
          key
        }
      }
      asOf {
        position
        lagMs
      }
    }
  }
`);

export function Companies() {
  const { t } = useTexts();
  const [{ data, error }] = useQuery({ query: CompaniesQuery });
  const companies = data?.companies;
  return (
    <Page title={t('nav.companies')} error={error} actions={<Export list="companies" />} asOf={companies?.asOf} loading={!companies && !error}>
      <DataTable
        label={t('nav.companies')}
        rows={companies?.nodes ?? []}
        rowKey={(c) => c.id}
        faded={(c) => c.disabled}
        loading={!companies}
        columns={[
          { id: 'key', title: t('company.key'), cell: (c) => c.key },
          { id: 'name', title: t('company.name'), cell: (c) => c.name },
          { id: 'zone', title: t('company.timeZone'), cell: (c) => c.timeZone },
          { id: 'accounts', title: t('company.accounts'), cell: (c) => c.accounts.map((a, i) => <AccountLink key={a.key} account={a.key} first={i === 0} />) },
          { id: 'originators', title: t('cdr.originator'), cell: (c) => c.originators.map((p) => p.key).join(', ') },
          { id: 'terminators', title: t('cdr.terminator'), cell: (c) => c.terminators.map((p) => p.key).join(', ') },
          { id: 'disabled', title: '', cell: (c) => c.disabled && <Tag tone="bad">{t('company.disabled')}</Tag> },
        ]}
      />
    </Page>
  );
}

function AccountLink({ account, first }: { account: string; first: boolean }) {
  return (
    <>
      {!first && ', '}
      <Link className={classes.link} to="/accounts/$key" params={{ key: account }} search={{}}>
        {account}
      </Link>
    </>
  );
}
