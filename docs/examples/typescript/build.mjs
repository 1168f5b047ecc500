// Makes one executable file of the connector and everything that it needs, so
// that it can be dropped into the plugins folder, and so that the checksum that
// the host remembers covers all of its code.
import { chmodSync } from 'node:fs';
import { build } from 'esbuild';

const outfile = 'dist/ml-connector-plugin-notes';

// The host starts a plugin without PATH, so `#!/usr/bin/env node` would find
// nothing: the first line names the node that builds.
if (/\s/.test(process.execPath)) {
  throw new Error(`${process.execPath} has a space, which a first line cannot hold: build with another node`);
}
await build({
  entryPoints: ['notes.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  loader: { '.proto': 'text' },
  banner: { js: `#!${process.execPath}` },
  logLevel: 'warning',
});
chmodSync(outfile, 0o755);
