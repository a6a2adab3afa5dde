// SPDX-License-Identifier: GPL-3.0-or-later
// Conversions whose films lie in an S3 store, input and output: the far side is the object store of
// tests/support/oss-server.c, which verifies every signature. And a bucket that forbids overwriting.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import OSS from 'ali-oss';
import RPCClient from '@alicloud/pop-core';

import { makeClip, probe } from './support/media.mjs';
import { root, startKinora, until } from './support/server.mjs';

const bucket = 'films';
let far, farUrl, kinora, folder, oss, pop;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'kinora-storage-'));
  const program = process.env.KINORA_OSS_SERVER
    ?? path.join(process.env.KINORA_BUILD ?? path.join(root, 'build'), 'tests/oss-server');
  far = spawn(program, [`${folder}/far`, 'depot'], { stdio: ['pipe', 'pipe', 'inherit'] });
  farUrl = await new Promise((resolve, reject) => {
    createInterface({ input: far.stdout }).once('line', resolve);
    far.once('exit', () => reject(new Error('the S3 server did not start')));
  });
  kinora = await startKinora({
    args: ['--storage', 's3://depot/kinora', '--storage-endpoint', farUrl],
    env: { KINORA_STORAGE_KEY_ID: 'AKIDEXAMPLE', KINORA_STORAGE_KEY_SECRET: 'SECRETEXAMPLE' },
  });
  pop = new RPCClient({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret,
    endpoint: `http://${kinora.api}`, apiVersion: '2020-11-09',
  });
  oss = new OSS({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret, endpoint: `http://${kinora.oss}`,
    region: 'oss-cn-shanghai', authorizationV4: true, sldEnable: true,
  });
  await oss.putBucket(bucket);
  oss.useBucket(bucket);
  await makeClip(`${folder}/film.mp4`, { languages: ['zho', 'eng'], seconds: 2 });
  await oss.put('in/film.mp4', `${folder}/film.mp4`);
});

after(async () => {
  const end = await kinora?.stop();
  const ended = new Promise((resolve) => far.once('exit', resolve));
  far.stdin.end();
  await ended;
  await rm(folder, { recursive: true, force: true });
  if (end) assert.equal(end.code, 0, 'SIGTERM ends the server cleanly');
});

async function convert(output) {
  const { JobId } = await pop.request('SubmitMediaConvertJob', {
    Config: JSON.stringify({
      Inputs: [{ Name: 'v', InputFile: { Type: 'OSS', Media: `oss://${bucket}/in/film.mp4` } }],
      OutputGroups: [{
        Name: 'g',
        GroupConfig: { Type: 'File', OutputFileBase: { Type: 'OSS', Media: `oss://${bucket}/out/` } },
        Outputs: [{ OutputFileName: output, TemplateId: 'Video-360P' }],
      }],
    }),
  }, { method: 'POST' });
  const { Job } = await until(() => pop.request('GetMediaConvertJob', { JobId }),
    ({ Job: job }) => !['Inited', 'Running'].includes(job.State));
  return Job;
}

test('a film is read from the store and written to it', async () => {
  const job = await convert('film-360p.mp4');
  assert.equal(job.State, 'Complete', `${job.Code} ${job.Message}`);
  await writeFile(`${folder}/out.mp4`, (await oss.get('out/film-360p.mp4')).content);
  const { streams, duration } = await probe(`${folder}/out.mp4`);
  assert.ok(Math.abs(duration - 2) < 0.1);
  assert.equal(streams[0].height, 360);
  const head = await oss.head('out/film-360p.mp4');
  assert.equal(Number(head.res.headers['content-length']), (await stat(`${folder}/out.mp4`)).size);
  assert.deepEqual(await readdir(`${kinora.data}/outgoing`), [], 'nothing stays behind');
  await assert.rejects(readdir(`${kinora.data}/buckets`), { code: 'ENOENT' });
});

test('an output that exists is not overwritten where the bucket forbids it, and named', async () => {
  const before = (await oss.get('in/film.mp4')).content;
  const forbid = oss._bucketRequestParams('PUT', bucket, { 'x-kinora-forbid-overwrite': '' });
  await oss.request({ ...forbid, content: 'true', successStatuses: [200] });
  await oss.put('out/there.mp4', Buffer.from('mine'));
  const job = await convert('there.mp4');
  assert.notEqual(job.State, 'Complete');
  assert.match(JSON.stringify(job), /out\/there\.mp4/);
  assert.match(JSON.stringify(job), /must not be overwritten/);
  assert.equal((await oss.get('out/there.mp4')).content.toString(), 'mine');
  assert.ok((await oss.get('in/film.mp4')).content.equals(before), 'the source is untouched');
  assert.equal((await convert('elsewhere.mp4')).State, 'Complete');
});

test('the service starts without its store, says so, and goes on when it is there', async () => {
  // A port that nobody listens on until the store's stand-in does.
  const probe_ = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe_.once('listening', resolve));
  const { port } = probe_.address();
  await new Promise((resolve) => { probe_.close(resolve); });
  const late = await startKinora({
    args: ['--storage', 's3://depot/late', '--storage-endpoint', `http://127.0.0.1:${port}`],
    env: { KINORA_STORAGE_KEY_ID: 'AKIDEXAMPLE', KINORA_STORAGE_KEY_SECRET: 'SECRETEXAMPLE' },
  });
  const health = async () => {
    const answer = await fetch(`http://${late.api}/healthz`);
    return { status: answer.status, ...(await answer.json()) };
  };
  const away = await health();
  assert.equal(away.status, 'failing');
  assert.match(away.reason, /s3:\/\/depot' is out of reach/);
  assert.match(late.log(), /out of reach/);
  const metrics = await (await fetch(`http://${late.api}/metrics`)).text();
  assert.match(metrics, /^kinora_worker_jobs_running 0$/m);
  assert.match(metrics, /^# TYPE kinora_worker_jobs_claimed_total counter$/m);
  // What arrives on that port from now on goes to the store; its signatures name this port's host.
  const gate = createServer((socket) => {
    const on = connect(Number(new URL(farUrl).port), '127.0.0.1');
    socket.pipe(on).pipe(socket);
    for (const end of [socket, on]) end.on('error', () => { socket.destroy(); on.destroy(); });
  }).listen(port, '127.0.0.1');
  await until(health, ({ status }) => status === 'ok', 60);
  await late.stop();
  await new Promise((resolve) => { gate.close(resolve); });
});
