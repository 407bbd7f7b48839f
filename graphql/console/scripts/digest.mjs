// Records in dist which sources it was built from; console_test.go compares.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const schema = fileURLToPath(new URL('../../../schema/graphql', import.meta.url));

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

const sources = [
  ...files(join(root, 'src')).filter((path) => !path.endsWith('graphql-env.d.ts')),
  ...files(join(root, 'scripts')),
  ...files(schema),
  ...['index.html', 'package.json', 'package-lock.json', 'tsconfig.json', 'vite.config.ts'].map((name) => join(root, name)),
].map((path) => ({ path, name: relative(root, path).replaceAll('\\', '/') }));
sources.sort((a, b) => (a.name < b.name ? -1 : 1));

const hash = createHash('sha256');
for (const { path, name } of sources) {
  const content = createHash('sha256').update(readFileSync(path)).digest('hex');
  hash.update(`${content}  ${name}\n`);
}
writeFileSync(join(root, 'dist', 'source.sha256'), hash.digest('hex') + '\n');
