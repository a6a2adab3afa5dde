// The programs of docs/sdk.md, run as they stand: what each prints is what its last comment says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { makeClip } from './support/media.mjs';
import { root, startKinora } from './support/server.mjs';

const run = promisify(execFile);
// Below node_modules, so that the programs find the clients.
const folder = path.join(root, 'tests/sdk/node_modules/.snippets');
const page = await readFile(path.join(root, 'docs/sdk.md'), 'utf8');
const programs = [...page.matchAll(/^## (.+)$|```js\n([^]*?)```/gm)].reduce(
  ({ heading, list }, [, title, text]) =>
    title ? { heading: title, list } : { heading, list: [...list, { heading, text }] },
  { heading: '', list: [] }).list;

describe('docs/sdk.md', () => {
  let kinora, work;

  before(async () => {
    kinora = await startKinora();
    work = await mkdtemp(path.join(tmpdir(), 'kinora-snippets-'));
    await mkdir(folder, { recursive: true });
    await makeClip(path.join(work, 'film.mp4'), { languages: ['eng'] });
  });

  after(async () => {
    await kinora?.stop();
    await rm(folder, { recursive: true, force: true });
    if (work) await rm(work, { recursive: true, force: true });
  });

  assert.ok(programs.length >= 5, 'the page has its programs');
  for (const [i, { heading, text }] of programs.entries()) {
    test(heading.replaceAll('`', ''), async () => {
      const file = path.join(folder, `${i}.mjs`);
      await writeFile(file, text.replaceAll('127.0.0.1:8800', kinora.api)
        .replaceAll('127.0.0.1:8801', kinora.oss).replaceAll('127.0.0.1:8802', kinora.mns));
      const { stdout } = await run(process.execPath, [file], {
        cwd: work, timeout: 120_000,
        env: { ...process.env, ALIBABA_CLOUD_ACCESS_KEY_ID: kinora.key.id,
          ALIBABA_CLOUD_ACCESS_KEY_SECRET: kinora.key.secret },
      });
      assert.equal(stdout.trim(), /\/\/ prints (.+)\n$/.exec(text)[1]);
    });
  }
});
