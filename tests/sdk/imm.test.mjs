// SPDX-License-Identifier: GPL-3.0-or-later
// Caption extraction as the vendor's guide has it: both of its requests by the official clients, and the message at
// the end through @alicloud/mns.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import MNSClient from '@alicloud/mns';
import openapi from '@alicloud/openapi-client';
import RPCClient from '@alicloud/pop-core';
import teaUtil from '@alicloud/tea-util';
import OSS from 'ali-oss';

import { makeClip, makeFilm, probe } from './support/media.mjs';
import { root, startKinora, until } from './support/server.mjs';

const account = '1000000000000001';
const bucket = 'test-bucket', project = 'test-project', topic = 'test-mns-topic', queue = 'imm-done';
let kinora, folder, oss, mns, call, pop;

// What the typed IMM client does for every operation: parameters in the query, structures as JSON text.
function caller(server) {
  const client = new openapi.default(new openapi.Config({
    accessKeyId: server.key.id, accessKeySecret: server.key.secret, endpoint: server.api, protocol: 'http',
    regionId: 'cn-shanghai',
  }));
  return async (action, query = {}) => {
    const params = new openapi.Params({
      action, version: '2020-09-30', protocol: 'http', pathname: '/', method: 'POST', authType: 'AK', style: 'RPC',
      reqBodyType: 'formData', bodyType: 'json',
    });
    const text = Object.fromEntries(Object.entries(query).map(
      ([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)]));
    const request = new openapi.OpenApiRequest({ query: text });
    return (await client.callApi(params, request, new teaUtil.RuntimeOptions({}))).body;
  };
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'kinora-imm-'));
  kinora = await startKinora();
  call = caller(kinora);
  pop = new RPCClient({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret, endpoint: `http://${kinora.api}`,
    apiVersion: '2020-09-30',
  });
  oss = new OSS({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret, endpoint: `http://${kinora.oss}`,
    region: 'oss-cn-shanghai', authorizationV4: true, sldEnable: true,
  });
  mns = new MNSClient(account, {
    endpoint: `http://${kinora.mns}`, accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret,
  });
  await oss.putBucket(bucket);
  oss.useBucket(bucket);
  await makeFilm(`${folder}/test.mp4`, [
    { language: 'eng', cues: [[0.5, 1, 'Hello'], [1.5, 2, 'Good <i>bye</i>']] },
    { language: 'fra', cues: [[0.5, 1, 'Bonjour & salut']] },
  ]);
  await oss.put('video-demo/test.mp4', `${folder}/test.mp4`);
  await mns.createTopic(topic, {});
  await mns.createQueue(queue, {});
  const subscription = Object.entries({
    Endpoint: `acs:mns:cn-shanghai:${account}:queues/${queue}`, NotifyContentFormat: 'SIMPLIFIED',
  }).map(([k, v]) => `<${k}>${v}</${k}>`).join('');
  // The client's subscribe() is empty; its put() signs and sends what it is given.
  await mns.put(`/topics/${topic}/subscriptions/all`, 'Subscription', Buffer.from(
    `<?xml version="1.0"?><Subscription xmlns="http://mns.aliyuncs.com/doc/v1/">${subscription}</Subscription>`),
  ['location']);
  await call('CreateProject', { ProjectName: project, Tag: [{ Key: 'team', Value: 'subs' }] });
});

after(async () => {
  const end = await kinora?.stop();
  await rm(folder, { recursive: true, force: true });
  if (end) assert.equal(end.code, 0, 'SIGTERM ends the server cleanly');
});

const requestOf = (format) => ({
  ProjectName: project,
  Notification: { MNS: { TopicName: topic } },
  Sources: [{ URI: `oss://${bucket}/video-demo/test.mp4` }],
  Targets: [{
    Subtitle: {
      ExtractSubtitle: { Format: format, URI: `oss://${bucket}/video-demo/subtitle-{streamindex}.{autoext}` },
    },
  }],
});

const text = async (key) => (await oss.get(key)).content.toString();

async function finished(TaskId) {
  return until(() => call('GetTask', { ProjectName: project, TaskType: 'MediaConvert', TaskId }),
    (task) => task.Status !== 'Running');
}

// The content of the message that tells of this task; others on the way are done with.
async function toldOf(taskId) {
  for (;;) {
    const { body } = await mns.receiveMessage(queue, 30);
    await mns.deleteMessage(queue, body.ReceiptHandle);
    const envelope = JSON.parse(body.MessageBody);
    const content = JSON.parse(envelope.content);
    if (content.TaskId === taskId) return { envelope, content };
  }
}

describe('the requests of the guide', () => {
  const cases = [
    ['imm-1-extract-webvtt.json', 'webvtt', 'vtt',
      [/^WEBVTT/, /00:00:00\.500 --> 00:00:01\.000/, /Bonjour &amp; salut/]],
    ['imm-2-extract-srt.json', 'srt', 'srt', [/^1\r\n00:00:00,500 --> 00:00:01,000/, /Bonjour & salut/]],
  ];
  for (const [name, format, extension, expected] of cases) {
    test(name, async () => {
      const request = requestOf(format);
      const file = path.join(root, '..', 'shared', 'examples', name);
      if (existsSync(file)) assert.deepEqual(request, JSON.parse(await readFile(file, 'utf8')));
      const { TaskId, EventId } = await call('CreateMediaConvertTask', { ...request, UserData: '{"ticket":17}' });
      assert.match(TaskId, /^MediaConvert-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const { envelope, content } = await toldOf(TaskId);
      assert.equal(envelope.source, 'acs.imm');
      assert.equal(envelope.type, 'imm:Task:MediaConvert');
      assert.equal(envelope.subject, `acs:imm:cn-shanghai:${account}:${project}/imm:Task:MediaConvert`);
      assert.match(envelope.time, /^\d{13}$/);
      assert.equal(content.Status, 'Succeeded');
      assert.equal(content.UserData, '{"ticket":17}');
      assert.deepEqual(content.Sources, [{ URI: request.Sources[0].URI, SubtitleSources: null }]);
      const { Files } = content.Targets[0].Subtitle.Extract;
      assert.deepEqual(Files.map((f) => [f.StreamIndex, f.Language, f.Cues, f.URI]), [
        [0, 'eng', 2, `oss://${bucket}/video-demo/subtitle-0.${extension}`],
        [1, 'fra', 1, `oss://${bucket}/video-demo/subtitle-1.${extension}`],
      ]);
      const task = await finished(TaskId);
      assert.equal(task.Status, 'Succeeded');
      assert.equal(task.Progress, 100);
      assert.equal(task.EventId, EventId);
      const french = await text(`video-demo/subtitle-1.${extension}`);
      for (const pattern of expected) assert.match(french, pattern);
      assert.match(await text(`video-demo/subtitle-0.${extension}`), /Good <i>bye<\/i>/);
    });
  }
});

describe('around a task', () => {
  const extract = (Stream, URI, more = {}) => ({
    ...requestOf('srt'), Targets: [{ Subtitle: { Stream, ExtractSubtitle: { Format: 'srt', URI } } }], ...more,
  });

  test('the older client, signing the older way, sees the same tasks', async () => {
    const { TaskId } = await pop.request('CreateMediaConvertTask', Object.fromEntries(
      Object.entries(extract([101], `oss://${bucket}/{barename}/old`, { Tags: { by: 'pop' } })).map(
        ([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : v])), { method: 'POST' });
    assert.equal((await finished(TaskId)).Status, 'Succeeded');
    const { Tasks } = await pop.request('ListTasks', { ProjectName: project, TagSelector: 'by=pop' });
    assert.deepEqual(Tasks.map((t) => t.TaskId), [TaskId]);
    assert.match(await text('test/old_1.srt'), /Bonjour/);
  });

  test('a number without a stream is ignored; none at all fails the task, and the message says so', async () => {
    const host = `https://${bucket}.oss-cn-shanghai.aliyuncs.com`;
    const one = await call('CreateMediaConvertTask', extract([1, 7], `${host}/one/film.srt`));
    assert.equal((await finished(one.TaskId)).Status, 'Succeeded');
    assert.match(await text('one/film.srt'), /Bonjour/);
    const none = await call('CreateMediaConvertTask', extract([7], `oss://${bucket}/none/film.srt`));
    const { content } = await toldOf(none.TaskId);
    assert.equal(content.Status, 'Failed');
    assert.equal(content.Code, 'InvalidArgument');
    assert.match(content.Message, /^The source has no subtitle stream that can be extracted\./);
  });

  test('several streams never overwrite each other', async () => {
    const { TaskId } = await call('CreateMediaConvertTask', extract(null, `oss://${bucket}/several/film.srt`));
    assert.equal((await finished(TaskId)).Status, 'Succeeded');
    assert.match(await text('several/film_0.srt'), /Hello/);
    assert.match(await text('several/film_1.srt'), /Bonjour/);
  });

  test('an absent source, and one that is no film, fail with their codes', async () => {
    const Sources = [{ URI: `oss://${bucket}/nowhere.mkv` }];
    const absent = await call('CreateMediaConvertTask', extract(null, `oss://${bucket}/x`, { Sources }));
    assert.equal((await finished(absent.TaskId)).Code, 'ResourceNotFound');
    await oss.put('noise.mkv', Buffer.alloc(4096, 'noise\n'));
    const noise = await call('CreateMediaConvertTask',
      extract(null, `oss://${bucket}/x`, { Sources: [{ URI: `oss://${bucket}/noise.mkv` }] }));
    assert.equal((await finished(noise.TaskId)).Code, 'UnsupportedFormat');
  });

  test('a topic that is not there does not stop the task', async () => {
    const { TaskId } = await call('CreateMediaConvertTask',
      extract([0], `oss://${bucket}/quiet/film.srt`, { Notification: { MNS: { TopicName: 'nowhere' } } }));
    assert.equal((await finished(TaskId)).Status, 'Succeeded');
    await until(async () => kinora.log(), (log) => /nowhere/.test(log), 30);
  });

  test('captions, a film and a playlist come out of one task', async () => {
    const { TaskId } = await call('CreateMediaConvertTask', {
      ProjectName: project,
      Notification: { MNS: { TopicName: topic } },
      Sources: [{ URI: `oss://${bucket}/video-demo/test.mp4` }],
      Targets: [
        {
          Subtitle: {
            ExtractSubtitle: { Format: 'ass', URI: `oss://${bucket}/all/{barename}-{streamindex}.{autoext}` },
          },
        },
        {
          URI: `oss://${bucket}/all/{barename}`, Container: 'mkv', Subtitle: { DisableSubtitle: true },
          Video: { TranscodeVideo: { Codec: 'h264', CRF: 30, Resolution: '160x' } },
        },
        {
          URI: `oss://${bucket}/all/list`, Container: 'ts', Segment: { Format: 'hls', Duration: 2 },
          Subtitle: { DisableSubtitle: true }, Video: { TranscodeVideo: { Codec: 'h264' } },
          Audio: { TranscodeAudio: { Codec: 'aac', Bitrate: 64000 } },
        },
      ],
    });
    const { content } = await toldOf(TaskId);
    assert.equal(content.Status, 'Succeeded', `${content.Code} ${content.Message}`);
    assert.deepEqual(content.Targets.map((t) => t.URI),
      ['', `oss://${bucket}/all/test.mkv`, `oss://${bucket}/all/list.m3u8`]);
    assert.match(await text('all/test-1.ass'), /Bonjour/);
    assert.match(await text('all/list.m3u8'), /^#EXTM3U/);
    await writeFile(`${folder}/out.mkv`, (await oss.get('all/test.mkv')).content);
    const { streams } = await probe(`${folder}/out.mkv`);
    assert.deepEqual(streams.map((s) => [s.type, s.codec]), [['video', 'h264'], ['audio', 'aac']]);
    assert.equal(streams[0].width, 160);
  });

  test('captions beside the source become tracks; a group has a master playlist', async () => {
    await oss.put('side/de.srt', Buffer.from('1\n00:00:00,500 --> 00:00:01,500\nGuten Tag\n'));
    const { TaskId } = await call('CreateMediaConvertTask', {
      ProjectName: project,
      Sources: [{
        URI: `oss://${bucket}/video-demo/test.mp4`,
        Subtitles: [{ URI: `oss://${bucket}/side/de.srt`, Language: 'deu' }],
      }],
      Targets: [{ URI: `oss://${bucket}/side/film`, Container: 'mkv' }],
      TargetGroups: [{
        URI: `oss://${bucket}/group/{barename}.m3u8`,
        Targets: [
          { URI: `oss://${bucket}/group/low/v`, Container: 'ts', Segment: { Format: 'hls', Duration: 2 },
            Video: { TranscodeVideo: { Codec: 'h264', Resolution: '160x' } } },
          { URI: `oss://${bucket}/group/high`, Container: 'ts', Segment: { Format: 'hls', Duration: 2 },
            Video: { TranscodeVideo: { Codec: 'h264', Resolution: '320x' } },
            Subtitle: { ExtractSubtitle: { Format: 'vtt', URI: `oss://${bucket}/group/subs/{streamindex}.{autoext}` } } },
        ],
      }],
    });
    const task = await finished(TaskId);
    assert.equal(task.Status, 'Succeeded', task.Message);
    const master = await text('group/test.m3u8');
    assert.match(master, /#EXT-X-STREAM-INF:[^\n]*RESOLUTION=160x90[^\n]*\nlow\/v\.m3u8/);
    assert.match(master, /#EXT-X-STREAM-INF:[^\n]*RESOLUTION=320x180[^\n]*\nhigh\.m3u8/);
    assert.match(await text('group/low/v.m3u8'), /v-00001\.ts/);
    const captions = master.match(/#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitle",[^\n]*LANGUAGE="de"[^\n]*URI="(.*)"/);
    assert.ok(captions, master);
    assert.equal(master.match(/#EXT-X-STREAM-INF:[^\n]*SUBTITLES="subtitle"/g).length, 2);
    const vtt = (await text(`group/${captions[1]}`)).match(/^\d+\.vtt$/m)[0];
    assert.match(await text(`group/subs/${vtt}`), /X-TIMESTAMP-MAP=MPEGTS:\d+,LOCAL:00:00:00\.000\n\n00:00:00\.500 --> 00:00:01\.500\nGuten Tag/);
    await writeFile(`${folder}/side.mkv`, (await oss.get('side/film.mkv')).content);
    const { streams } = await probe(`${folder}/side.mkv`);
    assert.ok(streams.some((s) => s.type === 'subtitle' && s.language === 'deu'), JSON.stringify(streams));
  });

  test('parts of several films are joined, with the tracks that are chosen', async () => {
    await makeClip(`${folder}/head.mp4`, { seconds: 2, languages: ['eng'], size: '160x120' });
    await makeClip(`${folder}/main.mp4`, { seconds: 3, languages: ['zho', 'eng', 'jpn'], size: '320x180' });
    for (const name of ['head', 'main']) await oss.put(`parts/${name}.mp4`, `${folder}/${name}.mp4`);
    const { TaskId } = await call('CreateMediaConvertTask', {
      ProjectName: project, AlignmentIndex: 1,
      Sources: [{ URI: `oss://${bucket}/parts/head.mp4`, Duration: 1, DisableAudio: true },
        { URI: `oss://${bucket}/parts/main.mp4`, StartTime: 1, Duration: 1.5 }],
      Targets: [
        { URI: `oss://${bucket}/parts/all`, Container: 'mp4', Video: { TranscodeVideo: { Codec: 'h264', BFrames: 0 } },
          Audio: { Stream: [101], TranscodeAudio: { Codec: 'aac', Quality: 40 } } },
        { URI: `oss://${bucket}/parts/mixed`, Container: 'flac', Audio: { FilterAudio: { Mixing: true },
          TranscodeAudio: { Codec: 'flac', BitsPerSample: 24 } } },
        { URI: `oss://${bucket}/parts/list`, Container: 'ts', Segment: { Format: 'hls', Duration: 1, StartNumber: 5 },
          Video: { TranscodeVideo: { Codec: 'h264' } }, Audio: { DisableAudio: true } },
      ],
    });
    const task = await finished(TaskId);
    assert.equal(task.Status, 'Succeeded', task.Message);
    for (const name of ['all.mp4', 'mixed.flac'])
      await writeFile(`${folder}/${name}`, (await oss.get(`parts/${name}`)).content);
    const all = await probe(`${folder}/all.mp4`), mixed = await probe(`${folder}/mixed.flac`);
    assert.deepEqual(all.streams.filter((s) => s.type === 'audio').map((s) => s.language), ['zho', 'eng', 'jpn']);
    assert.equal(all.streams[0].width, 320);
    for (const { duration } of [all, mixed]) assert.ok(Math.abs(duration - 2.5) < 0.1, `${duration} s`);
    assert.equal(mixed.streams.length, 1);
    assert.match(await text('parts/list.m3u8'), /#EXT-X-MEDIA-SEQUENCE:5\n[^]*list-00005\.ts[^]*list-00007\.ts/);
  });

  test('what was delivered is in the ledger', async () => {
    const own = new RPCClient({
      accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret, endpoint: `http://${kinora.api}`,
      apiVersion: '2026-01-01',
    });
    const { Usage } = await own.request('GetUsage', { Kind: 'extract' }, { method: 'POST' });
    const line = Usage.find((l) => l.Item === 'ExtractSubtitleText');
    assert.equal(line.Unit, 'streams');
    assert.ok(line.Amount >= 10, `${line.Amount} streams`);
  });

  test('mistakes are refused at once, in the vendor\'s words', async () => {
    const refused = (action, query, code) => assert.rejects(call(action, query),
      (e) => e.code === code || assert.fail(`${e.code}: ${e.message}`));
    await refused('CreateMediaConvertTask', { ...requestOf('srt'), ProjectName: 'nowhere' }, 'ResourceNotFound');
    await refused('CreateMediaConvertTask', { ...requestOf('srt'), Targets: '[' }, 'InvalidJSON');
    await refused('CreateMediaConvertTask', requestOf('sub'), 'InvalidArgument');
    await refused('CreateProject', { ProjectName: project }, 'ResourceAlreadyExists');
    await refused('GetTask', { ProjectName: project, TaskType: 'MediaConvert', TaskId: 'x' }, 'ResourceNotFound');
  });
});
