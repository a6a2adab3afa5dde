// The three scenarios of the multi-track tutorial, submitted by the official clients, and what a
// program written against the vendor's service relies on around them.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import OSS from 'ali-oss';
import RPCClient from '@alicloud/pop-core';
import openapi from '@alicloud/openapi-client';
import teaUtil from '@alicloud/tea-util';

import { makeClip, probe } from './support/media.mjs';
import { root, startKinora, startReceiver, until } from './support/server.mjs';

const OpenApi = openapi.default;
const bucket = 'media-in';
let kinora, receiver, folder, oss, call, pop;

// The generic client of the vendor's SDKs: what the typed ICE client does for every operation.
function openapiCaller(server) {
  const client = new OpenApi(new openapi.Config({
    accessKeyId: server.key.id, accessKeySecret: server.key.secret,
    endpoint: server.api, protocol: 'http', regionId: 'cn-shanghai',
  }));
  return async (action, query = {}) => {
    const params = new openapi.Params({
      action, version: '2020-11-09', protocol: 'http', pathname: '/', method: 'POST', authType: 'AK',
      style: 'RPC', reqBodyType: 'formData', bodyType: 'json',
    });
    const text = Object.fromEntries(Object.entries(query).map(
      ([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)]));
    const answer = await client.callApi(params, new openapi.OpenApiRequest({ query: text }),
      new teaUtil.RuntimeOptions({}));
    return answer.body;
  };
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'kinora-media-'));
  kinora = await startKinora();
  receiver = await startReceiver();
  call = openapiCaller(kinora);
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
  await makeClip(`${folder}/video.mp4`, { languages: ['zho'] });
  await makeClip(`${folder}/english.mp4`, { languages: ['eng'], video: false });
  await makeClip(`${folder}/japanese.mp4`, { languages: ['und'], video: false });
  await makeClip(`${folder}/multi.mp4`, { languages: ['fra', 'jpn', 'deu'], video: false });
  for (const name of ['video.mp4', 'english.mp4', 'japanese.mp4', 'multi.mp4'])
    await oss.put(`in/${name}`, `${folder}/${name}`);
  await call('SetEventCallback', {
    CallbackType: 'HTTP', CallbackURL: receiver.url, EventTypeList: 'MediaConvertComplete',
  });
});

after(async () => {
  await receiver?.stop();
  const end = await kinora?.stop();
  await rm(folder, { recursive: true, force: true });
  if (end) assert.equal(end.code, 0, 'SIGTERM ends the server cleanly');
});

// The vendor's own request body with its placeholders filled in, in the form of its bucket address.
async function example(name, addressOf) {
  const file = path.join(root, '..', 'shared', 'examples', name);
  if (!existsSync(file)) return null;
  let text = await readFile(file, 'utf8');
  const fill = {
    '<video-with-default-audio.mp4>': 'in/video.mp4', '<english-audio.mp4>': 'in/english.mp4',
    '<japanese-audio.mp4>': 'in/japanese.mp4', '<multilingual-file.mp4>': 'in/multi.mp4',
    '<output-path>': `out/${name}`,
  };
  for (const [from, to] of Object.entries(fill)) text = text.replaceAll(from, to);
  return JSON.parse(text.replaceAll('https://<your-bucket>.<public-endpoint>', addressOf()));
}

async function finished(jobId) {
  const { Job } = await until(() => call('GetMediaConvertJob', { JobId: jobId }),
    ({ Job: job }) => !['Inited', 'Running'].includes(job.State));
  return Job;
}

async function expectTracks(key, languages) {
  const file = `${folder}/out.mp4`;
  await writeFile(file, (await oss.get(key)).content);
  const { streams, duration } = await probe(file);
  assert.ok(Math.abs(duration - 2) < 0.1, `two seconds long, not ${duration}`);
  assert.deepEqual(streams.map((s) => s.type), ['video', ...languages.map(() => 'audio')]);
  assert.equal(streams[0].codec, 'h264');
  assert.equal(streams[0].width, 640);
  assert.equal(streams[0].height, 360);
  assert.deepEqual(streams.slice(1).map((s) => s.language), languages);
  for (const audio of streams.slice(1)) {
    assert.equal(audio.codec, 'aac');
    assert.equal(audio.rate, '48000');
    assert.equal(audio.channels, 2);
  }
}

describe('the scenarios of the tutorial', () => {
  const forms = {
    'own host': () => `http://${bucket}.${kinora.oss}`,
    'vendor host': () => `https://${bucket}.oss-cn-shanghai.aliyuncs.com`,
    'oss scheme': () => `oss://${bucket}`,
  };
  const cases = [
    ['media-convert-1-keep-original-audio.json', ['zho', 'eng', 'jpn'], 'own host'],
    ['media-convert-2-remove-original-audio.json', ['eng', 'jpn'], 'vendor host'],
    ['media-convert-3-select-by-language.json', ['zho', 'eng', 'jpn'], 'oss scheme'],
  ];
  for (const [name, languages, form] of cases) {
    test(`${name}, ${form}`, async (t) => {
      const config = await example(name, forms[form]);
      if (!config) return t.skip('the example bodies are not here');
      const { JobId, Job } = await call('SubmitMediaConvertJob', {
        Config: config, ClientToken: `ct-${name}`.slice(0, 64), UserData: JSON.stringify({ name }),
      });
      assert.equal(Job.JobId, JobId);
      assert.equal(Job.State, 'Inited');
      const job = await finished(JobId);
      assert.equal(job.State, 'Complete', `${job.Code} ${job.Message}`);
      assert.equal(job.Percent, 100);
      const output = job.OutputGroupDetails[0].Outputs[0];
      assert.equal(output.Status, 'Success');
      assert.deepEqual(output.Result.OutFileMeta.AudioStreamInfoList.map((s) => s.Lang), languages);
      await expectTracks(`out/${name}/video/360p/360p.mp4`, languages);

      const event = await receiver.next((e) => e.MessageBody?.JobId === JobId);
      assert.equal(event.EventType, 'MediaConvertComplete');
      assert.equal(event.MessageBody.Status, 'Success');
      assert.equal(event.MessageBody.UserData, JSON.stringify({ name }));
    });
  }
});

describe('around a job', () => {
  const config = (over = {}) => ({
    Inputs: [{ Name: 'v', InputFile: { Type: 'OSS', Media: `oss://${bucket}/in/video.mp4` } }],
    OutputGroups: [{
      GroupConfig: { Type: 'File', OutputFileBase: { Type: 'OSS', Media: `oss://${bucket}/around/` } },
      Outputs: [{ Name: '360P', OutputFileName: 'a', TemplateId: 'Video-360P', ...over }],
    }],
  });

  test('the same ClientToken makes one job; other parameters are refused', async () => {
    const first = await call('SubmitMediaConvertJob', { Config: config(), ClientToken: 'once' });
    const again = await call('SubmitMediaConvertJob', { Config: config(), ClientToken: 'once' });
    assert.equal(again.JobId, first.JobId);
    await assert.rejects(
      call('SubmitMediaConvertJob', { Config: config(), ClientToken: 'once', UserData: 'other' }),
      (e) => e.code === 'IdempotentParameterMismatch');
    await finished(first.JobId);
  });

  test('the older client, signing the older way, sees the same job', async () => {
    const { JobId } = await pop.request('SubmitMediaConvertJob',
      { Config: JSON.stringify(config()), UserData: 'a~*\'()! +é' }, { method: 'POST' });
    const { Job } = await pop.request('GetMediaConvertJob', { JobId });
    assert.equal(Job.UserData, 'a~*\'()! +é');
    await finished(JobId);
  });

  test('what was converted is in the ledger, by codec and resolution', async () => {
    const own = new RPCClient({
      accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret,
      endpoint: `http://${kinora.api}`, apiVersion: '2026-01-01',
    });
    const seconds = async () => {
      const { Usage } = await own.request('GetUsage', { Kind: 'convert' }, { method: 'POST' });
      const line = Usage.find((l) => l.Codec === 'H.264' && l.Resolution === 'SD');
      return line ? 60 * line.Amount : 0;
    };
    const before = await seconds();
    const { JobId } = await call('SubmitMediaConvertJob', { Config: config() });
    assert.equal((await finished(JobId)).State, 'Complete');
    const made = (await seconds()) - before; // one output of two seconds
    assert.ok(Math.abs(made - 2) < 0.1, `two seconds more, not ${made}`);
  });

  test('a registered file is converted by its media id, and the job tells what went in', async () => {
    const { MediaId } = await call('RegisterMediaInfo', { InputURL: `oss://${bucket}/in/video.mp4` });
    const byId = config();
    byId.Inputs[0].InputFile = { Type: 'Media', Media: MediaId };
    const { JobId } = await call('SubmitMediaConvertJob', { Config: byId });
    const job = await finished(JobId);
    assert.equal(job.State, 'Complete');
    assert.equal(job.InputDetails[0].InFileMeta.FileBasicInfo.FileName, 'video.mp4');
    assert.equal(job.InputDetails[0].InFileMeta.VideoStreamInfoList[0].Width, '960');
  });

  test('a missing input ends the job with the documented code', async () => {
    const bad = config();
    bad.Inputs[0].InputFile.Media = `oss://${bucket}/in/nowhere.mp4`;
    const { JobId } = await call('SubmitMediaConvertJob', { Config: bad });
    const job = await finished(JobId);
    assert.equal(job.State, 'Error');
    assert.equal(job.Code, 'InvalidParameter.ResourceNotFound');
  });

  test('a file that is no film ends the job with the documented code', async () => {
    await oss.put('in/noise.mp4', Buffer.alloc(4096, 'noise'));
    const bad = config();
    bad.Inputs[0].InputFile.Media = `oss://${bucket}/in/noise.mp4`;
    const { JobId } = await call('SubmitMediaConvertJob', { Config: bad });
    const job = await finished(JobId);
    assert.equal(job.State, 'Error');
    assert.equal(job.Code, 'InvalidParameter.ResourceContentBad');
  });

  test('mistakes in the request are refused at once, by name', async () => {
    const refused = (query, code) => assert.rejects(call('SubmitMediaConvertJob', query),
      (e) => e.code === code || assert.fail(`${e.code}: ${e.message}`));
    await refused({}, 'MissingParameter');
    await refused({ Config: '{' }, 'InvalidParameter.JsonFormatInvalid');
    await refused({ Config: config({ TemplateId: 'no-such' }) }, 'InvalidParameter.TemplateNotFound');
    await refused({ Config: config({ OverrideParams: { Audios: [{ InputRef: 'x' }] } }) }, 'InvalidParameter');
    await refused({ Config: config({ OverrideParams: { Video: { Bitrate: 5 } } }) }, 'InvalidParameter.OutOfRange');
    await refused({ Config: config(), PipelineId: '0'.repeat(32) }, 'ResourceNotFound');
    await assert.rejects(call('NoSuchAction'), (e) => e.code === 'InvalidAction.NotFound');
  });

  test('a wrong secret is refused', async () => {
    const stranger = openapiCaller({ ...kinora, key: { id: kinora.key.id, secret: 'wrong' } });
    await assert.rejects(stranger('ListPipelines'), (e) => e.code === 'SignatureDoesNotMatch');
  });

  test('jobs are listed in pages', async () => {
    const seen = new Set();
    let token = '';
    do {
      const page = await call('ListMediaConvertJobs', { PageSize: 2, NextPageToken: token });
      for (const job of page.Jobs) seen.add(job.JobId);
      token = page.NextPageToken;
    } while (token);
    assert.ok(seen.size >= 5, `${seen.size} jobs`);
  });
});

describe('templates and pipelines', () => {
  test('a custom template is made, used by its id, changed and deleted', async () => {
    const config = { Container: { Format: 'mp4' }, Video: { Codec: 'H.264', Width: 320 }, Audio: { Codec: 'AAC' } };
    const { CustomTemplate } = await call('CreateCustomTemplate', { Name: 'tiny', Type: 1, Subtype: 1, TemplateConfig: config });
    assert.equal(CustomTemplate.TypeName, 'TranscodeTemplate');
    const got = await call('GetCustomTemplate', { TemplateId: CustomTemplate.TemplateId });
    assert.deepEqual(JSON.parse(got.CustomTemplate.TemplateConfig), config);
    assert.equal((await call('ListCustomTemplates', { Type: 1 })).Total >= 1, true);
    await call('UpdateCustomTemplate', { TemplateId: CustomTemplate.TemplateId, Name: 'tinier' });
    await call('DeleteCustomTemplate', { TemplateId: CustomTemplate.TemplateId });
    await assert.rejects(call('GetCustomTemplate', { TemplateId: CustomTemplate.TemplateId }),
      (e) => e.code === 'ResourceNotFound');
  });

  test('a paused pipeline keeps its jobs waiting', async () => {
    const { Pipeline } = await call('CreatePipeline', { Name: 'night', Speed: 'Standard', Priority: 3 });
    await call('UpdatePipeline', { PipelineId: Pipeline.PipelineId, Status: 'Paused' });
    const { JobId } = await call('SubmitMediaConvertJob', {
      PipelineId: Pipeline.PipelineId,
      Config: {
        Inputs: [{ InputFile: { Type: 'OSS', Media: `oss://${bucket}/in/video.mp4` } }],
        Outputs: [{ OutputFile: { Type: 'OSS', Media: `oss://${bucket}/night/a.mp4` }, TemplateId: 'Video-360P' }],
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await call('GetMediaConvertJob', { JobId })).Job.State, 'Inited');
    await call('UpdatePipeline', { PipelineId: Pipeline.PipelineId, Status: 'Active' });
    assert.equal((await finished(JobId)).State, 'Complete');
  });
});
