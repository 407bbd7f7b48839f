// Runs the examples of docs/api.md as a client that knows nothing but the published schema:
// examples.mjs SCHEMA DOCUMENT, with TOLLBOOK (the address) and TOKEN_PARTNER, TOKEN_FINANCE, TOKEN_ADMIN.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { buildSchema, parse, validate } from 'graphql';
import { GraphQLClient } from 'graphql-request';

const [schemaFile, documentFile] = process.argv.slice(2);
const schema = buildSchema(readFileSync(schemaFile, 'utf8'));
const document = readFileSync(documentFile, 'utf8');
const blocksOf = (language) => [...document.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((m) => m[1]);
const [blocks, programs] = [blocksOf('graphql'), blocksOf('js')];
let failed = blocks.length === 0 || programs.length === 0;
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
for (const text of programs) {
  // Node 20 has WebSocket behind a flag.
  const flags = typeof WebSocket === 'undefined' ? ['--experimental-websocket'] : [];
  const program = spawnSync(process.execPath, [...flags, '--input-type=module', '-'], {
    input: text, cwd: import.meta.dirname, encoding: 'utf8', timeout: 20_000,
  });
  if (program.status !== 0 || !program.stdout) {
    console.error(`${text}${program.stdout}${program.stderr}${program.error ?? ''}`);
    failed = true;
  }
}
console.log(`${blocks.length} examples, ${programs.length} programs`);
process.exit(failed ? 1 : 0);
