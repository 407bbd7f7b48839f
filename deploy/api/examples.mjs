// Runs the examples of docs/api.md as a client that knows nothing but the published schema:
// examples.mjs SCHEMA DOCUMENT, with TOLLBOOK (the address) and TOKEN_PARTNER, TOKEN_FINANCE, TOKEN_ADMIN.
import { readFileSync } from 'node:fs';
import { buildSchema, parse, validate } from 'graphql';
import { GraphQLClient } from 'graphql-request';

const [schemaFile, documentFile] = process.argv.slice(2);
const schema = buildSchema(readFileSync(schemaFile, 'utf8'));
const blocks = [...readFileSync(documentFile, 'utf8').matchAll(/```graphql\n([\s\S]*?)```/g)].map((m) => m[1]);
let failed = blocks.length === 0;
for (const text of blocks) {
  const who = /^# as (\w+)/.exec(text)?.[1] ?? 'partner';
  const mistakes = validate(schema, parse(text));
  const client = new GraphQLClient(`${process.env.TOLLBOOK}/graphql`, {
    headers: { authorization: `Bearer ${process.env[`TOKEN_${who.toUpperCase()}`]}` },
  });
  try {
    if (mistakes.length) throw mistakes[0];
    const data = await client.request(text);
    for (const payload of Object.values(data)) {
      if (payload?.userErrors?.length) throw new Error(JSON.stringify(payload.userErrors));
    }
    if (data.cdrs?.pageInfo.hasNextPage) {
      const next = await client.request(text, { after: data.cdrs.pageInfo.endCursor });
      if (next.cdrs.nodes[0].id === data.cdrs.nodes[0].id) throw new Error('the second page is the first');
    }
    if (data.accounts && typeof data.accounts.nodes[0].balance.posted.amount !== 'string') throw new Error('money is no string');
  } catch (error) {
    console.error(`as ${who}:\n${text}${error}`);
    failed = true;
  }
}
console.log(`${blocks.length} examples`);
process.exit(failed ? 1 : 0);
