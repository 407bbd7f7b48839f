import { initGraphQLTada } from 'gql.tada';
import type { introspection } from './graphql-env.d.ts';

// Every scalar of the API is text: no number of money ever becomes a float here.
export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: {
    Decimal: string;
    DateTime: string;
    Date: string;
    Duration: string;
    Position: string;
    CurrencyCode: string;
    Cursor: string;
    Upload: File;
  };
}>();

export type { FragmentOf, ResultOf, VariablesOf } from 'gql.tada';
export { readFragment } from 'gql.tada';
