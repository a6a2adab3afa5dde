// A running Kinora for a test file: its own data folder, free ports, one administrator's key.
//
//   const kinora = await startKinora();   // .api .oss: "127.0.0.1:PORT"; .key {id, secret}; .data
//   await kinora.stop();                  // SIGTERM, waits, removes the folder
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const program = path.join(process.env.KINORA_BUILD ?? path.join(root, 'build'), 'kinora');

const key = { id: 'AKIDEXAMPLE', secret: 'SECRETEXAMPLE' };

const hostOf = (url) => new URL(url).host;

export async function startKinora({ data, args = [], env = {} } = {}) {
  const folder = data ?? (await mkdtemp(path.join(tmpdir(), 'kinora-sdk-')));
  const child = spawn(
    program,
    ['serve', '--data', folder, '--listen', '127.0.0.1:0', '--oss-listen', '127.0.0.1:0',
      '--mns-listen', '127.0.0.1:0', '--allow-url-host', '127.0.0.1', ...args],
    {
      env: { ...process.env, KINORA_ACCESS_KEY_ID: key.id, KINORA_ACCESS_KEY_SECRET: key.secret, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  child.stderr.on('data', (bytes) => { log += bytes; });
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  const ready = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const line = /^kinora: ready api=(\S+) oss=(\S+) mns=(\S+)$/m.exec(text);
      if (line) resolve(line);
    });
    exited.then(({ code, signal }) => reject(new Error(`kinora serve ended (${code ?? signal}):\n${log}`)));
  });
  return {
    api: hostOf(ready[1]), oss: hostOf(ready[2]), mns: hostOf(ready[3]),
    key, data: folder, child, exited, log: () => log,
    async stop({ keep = false } = {}) {
      child.kill('SIGTERM');
      const end = await exited;
      if (!keep) await rm(folder, { recursive: true, force: true });
      return end;
    },
  };
}

// A receiver of callbacks: .url, .events (parsed bodies with their headers), .next(predicate).
export async function startReceiver({ status = 200 } = {}) {
  const events = [];
  const waiting = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes) => { body += bytes; });
    request.on('end', () => {
      const event = { ...JSON.parse(body), headers: request.headers };
      events.push(event);
      response.writeHead(status).end();
      for (const w of waiting) if (w.predicate(event)) w.resolve(event);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/callback`,
    events,
    next(predicate, timeout = 30_000) {
      const seen = events.find(predicate);
      if (seen) return seen;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no such callback arrived')), timeout);
        waiting.push({ predicate, resolve: (event) => { clearTimeout(timer); resolve(event); } });
      });
    },
    stop: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}

// Ask again until `done(answer)`, at most `seconds`.
export async function until(ask, done, seconds = 120) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (done(answer)) return answer;
    if (Date.now() > end) throw new Error(`still waiting after ${seconds} s: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
