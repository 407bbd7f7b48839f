// Compares the schema with the one that was published last: breaking.mjs PUBLISHED DIRECTORY.
// A change that breaks clients ends it with 1.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

const [published, directory] = process.argv.slice(2);
const now = readdirSync(directory)
  .filter((name) => name.endsWith('.graphqls'))
  .sort()
  .map((name) => readFileSync(join(directory, name), 'utf8'))
  .join('\n');
const changes = await diff(buildSchema(readFileSync(published, 'utf8')), buildSchema(now));
let broken = 0;
for (const { criticality, path, message } of changes) {
  if (criticality.level === 'NON_BREAKING') continue;
  console.log(`${criticality.level.toLowerCase()}: ${path ?? ''}: ${message}`);
  if (criticality.level === 'BREAKING') broken++;
}
console.log(`${changes.length} changes of the schema since it was published, ${broken} of them break clients`);
process.exit(broken ? 1 : 0);
