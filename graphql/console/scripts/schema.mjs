// Puts the schema's files together into one, from which gql.tada types the queries.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { buildSchema, printSchema } from 'graphql';

const folder = new URL('../../../schema/graphql/', import.meta.url);
const text = readdirSync(folder)
  .filter((name) => name.endsWith('.graphqls'))
  .sort()
  .map((name) => readFileSync(new URL(name, folder), 'utf8'))
  .join('\n');
writeFileSync(new URL('../schema.graphql', import.meta.url), printSchema(buildSchema(text)) + '\n');
