// Writes every operation of the console, with its fragments, into dist/documents.json by its
// SHA-256. A server can be set to take nothing else from people's sessions.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kind, parse, print, visit } from 'graphql';

const root = fileURLToPath(new URL('..', import.meta.url));
const definitions = new Map();
for (const entry of readdirSync(join(root, 'src'), { withFileTypes: true, recursive: true })) {
  if (!/\.tsx?$/.test(entry.name) || entry.name.endsWith('.d.ts')) continue;
  const text = readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8');
  for (const [, source] of text.matchAll(/\bgraphql\(\s*`([^`]*)`/g)) {
    for (const definition of parse(source).definitions) {
      const name = definition.name?.value;
      if (!name || definitions.has(name)) throw new Error(`${entry.name}: ${name ?? 'a definition'} has no name of its own`);
      definitions.set(name, definition);
    }
  }
}

function spreads(definition, found = new Set()) {
  visit(definition, {
    FragmentSpread({ name }) {
      if (found.has(name.value)) return;
      found.add(name.value);
      spreads(definitions.get(name.value), found);
    },
  });
  return found;
}

const documents = {};
for (const definition of definitions.values()) {
  if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
  const parts = [definition, ...[...spreads(definition)].sort().map((name) => definitions.get(name))];
  const text = print({ kind: Kind.DOCUMENT, definitions: parts });
  documents[createHash('sha256').update(text).digest('hex')] = text;
}
const sorted = Object.fromEntries(Object.entries(documents).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(join(root, 'dist', 'documents.json'), JSON.stringify(sorted, null, 1) + '\n');
console.log(`${Object.keys(sorted).length} documents`);
