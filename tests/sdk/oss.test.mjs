// SPDX-License-Identifier: GPL-3.0-or-later
// ali-oss, the AWS SDK and minio against the object store. KINORA_OSS_SERVER names the program
// (tests/support/oss-server.c); without it, build/tests/oss-server.
import dns from 'node:dns';
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import OSS from 'ali-oss';
import * as S3 from '@aws-sdk/client-s3';
import * as Minio from 'minio';

const here = dirname(fileURLToPath(import.meta.url));
const program = process.env.KINORA_OSS_SERVER ?? join(here, '../../build/tests/oss-server');
const id = 'AKIDEXAMPLE';
const secret = 'SECRETEXAMPLE';
let server, folder, url, port, temporary;

// Names under .localhost are this machine (RFC 6761); not every resolver knows.
const lookup = dns.lookup;
dns.lookup = (name, options, done) =>
  lookup(name.endsWith('.localhost') ? '127.0.0.1' : name, options, done);


before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kinora-oss-'));
  server = spawn(program, [folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  [url, temporary] = await new Promise((resolve, reject) => {
    const lines = [];
    createInterface({ input: server.stdout }).on('line', (line) => lines.push(line) === 2 && resolve(lines));
    server.once('exit', () => reject(new Error('the server did not start')));
  });
  port = new URL(url).port;
});

after(async () => {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.stdin.end();
  await ended;
  rmSync(folder, { recursive: true });
});

const styles = {
  'virtual host': { endpoint: () => `http://oss.localhost:${port}` },
  'path style': { endpoint: () => `http://oss.localhost:${port}`, sldEnable: true },
  'IP endpoint': { endpoint: () => url },
  'IP endpoint, path style': { endpoint: () => url, sldEnable: true },
};

function aliClient(style, authorizationV4, bucket) {
  return new OSS({
    ...styles[style], endpoint: styles[style].endpoint(), region: 'oss-cn-hangzhou',
    accessKeyId: id, accessKeySecret: secret, bucket, authorizationV4, timeout: 10000,
  });
}

async function objectSet(client, bucket) {
  await client.putBucket(bucket);
  client.useBucket(bucket);
  assert.ok((await client.listBuckets({})).buckets.some((b) => b.name === bucket));
  for (const key of ['dir/中 a+b.txt', 'per%cent', 'what?', 'hash#', 'deep//er', 'folder/', 'b&c.txt', `${bucket}/x`]) {
    const put = await client.put(key, Buffer.from('hello'), { meta: { people: 'x' } });
    assert.equal(put.res.headers.etag, '"5D41402ABC4B2A76B9719D911017C592"');
    assert.equal(put.res.headers['x-oss-hash-crc64ecma'], '11177612005948864433');
    const got = await client.get(key);
    assert.equal(got.content.toString(), 'hello', key);
    assert.equal(got.res.headers['x-oss-meta-people'], 'x');
  }
  await client.put('zero', Buffer.alloc(0));
  assert.equal((await client.get('zero')).content.length, 0);
  await client.putStream('stream', Readable.from([Buffer.from('piece '), Buffer.from('by piece')]));
  assert.equal((await client.get('stream')).content.toString(), 'piece by piece');
  await client.copy('copy', 'dir/中 a+b.txt');
  assert.equal((await client.get('copy')).content.toString(), 'hello');
  const first = await client.append('log', Buffer.from('one'));
  await client.append('log', Buffer.from('two'), { position: first.nextAppendPosition });
  await assert.rejects(client.append('log', Buffer.from('x'), { position: 1 }),
    { code: 'PositionNotEqualToLength' });
  assert.equal((await client.get('log')).content.toString(), 'onetwo');
  await client.putACL('copy', 'public-read');
  assert.equal((await client.getACL('copy')).acl, 'public-read');
  await assert.rejects(client.head('absent'), { status: 404, code: 'NoSuchKey' });
  await assert.rejects(client.put('copy', Buffer.from('x'), { headers: { 'x-oss-forbid-overwrite': 'true' } }),
    { code: 'FileAlreadyExists' });
}

async function listSet(client) {
  const page = await client.list({ delimiter: '/', 'max-keys': 3 }, {});
  assert.equal(page.isTruncated, true);
  const blank = await client.list({ prefix: '', delimiter: '', 'max-keys': 2 }, {});
  assert.equal(blank.objects.length, 2);
  const names = [];
  for (let token; ;) {
    const next = await client.listV2({ 'max-keys': 3, ...(token && { 'continuation-token': token }) });
    names.push(...next.objects.map((o) => o.name));
    if (!next.isTruncated) break;
    token = next.nextContinuationToken;
  }
  assert.deepEqual(names, [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  const range = await client.get('log', { headers: { range: 'bytes=0-2' } });
  assert.equal(range.res.status, 206);
  assert.equal(range.content.toString(), 'one');
  const beyond = await client.get('log', { headers: { range: 'bytes=3-99' } });
  assert.equal(beyond.res.status, 200);
  const standard = await client.get('log', { headers: { range: 'bytes=3-99', 'x-oss-range-behavior': 'standard' } });
  assert.equal(standard.content.toString(), 'two');
}

async function multipartSet(client) {
  const bytes = Buffer.alloc(300 * 1024, 'kinora');
  await client.multipartUpload('big.mp4', bytes, { partSize: 100 * 1024 });
  assert.ok((await client.get('big.mp4')).content.equals(bytes));
  const upload = await client.initMultipartUpload('part.bin');
  const one = await client.uploadPart('part.bin', upload.uploadId, 1, bytes, 0, 102400);
  await client.uploadPartCopy('part.bin', upload.uploadId, 2, '0-9', { sourceKey: 'big.mp4', sourceBucketName: client.options.bucket });
  const parts = await client.listParts('part.bin', upload.uploadId);
  assert.equal([].concat(parts.parts).length, 2);
  assert.equal((await client.listUploads({ 'max-uploads': 5 })).uploads.length, 1);
  assert.equal(one.etag.length, 34);
  await client.abortMultipartUpload('part.bin', upload.uploadId);
}

for (const style of Object.keys(styles)) {
  for (const v4 of [false, true]) {
    test(`ali-oss, ${style}, ${v4 ? 'V4' : 'V1'}`, async () => {
      const bucket = `ali-${style.replace(/[^a-z]/gi, '').toLowerCase()}-${v4 ? 4 : 1}`;
      const client = aliClient(style, v4);
      await objectSet(client, bucket);
      await listSet(client);
      await multipartSet(client);
      const all = (await client.listV2({ 'max-keys': 1000 })).objects.map((o) => o.name);
      await client.deleteMulti(all, { quiet: true });
      await client.deleteBucket(bucket);
    });
  }
}

test('ali-oss, URLs of both signatures and a wrong secret', async () => {
  const client = aliClient('virtual host', false, 'urls');
  await client.putBucket('urls');
  await client.put('a b.txt', Buffer.from('hello'));
  for (const link of [client.signatureUrl('a b.txt', { expires: 60 }),
    await client.signatureUrlV4('GET', 60, {}, 'a b.txt')]) {
    const answer = await fetch(link);
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal(await answer.text(), 'hello');
    assert.equal((await fetch(`${link}x`)).status, 403);
  }
  const wrong = new OSS({ endpoint: url, region: 'oss-cn-hangzhou', accessKeyId: id, accessKeySecret: 'no', bucket: 'urls' });
  await assert.rejects(wrong.get('a b.txt'), { code: 'SignatureDoesNotMatch', status: 403 });
  assert.equal((await fetch(`${url}/urls/a%20b.txt`)).status, 403);
  await client.putACL('a b.txt', 'public-read');
  assert.equal(await (await fetch(`${url}/urls/a%20b.txt`)).text(), 'hello');
});

test('browsers read the ETag where a rule allows them', async () => {
  const client = aliClient('virtual host', true, 'cors');
  await client.putBucket('cors');
  await client.putBucketCORS('cors', [{ allowedOrigin: 'https://app.example', allowedMethod: 'PUT', allowedHeader: '*' }]);
  const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-oss-date, content-type' };
  const answer = await fetch(`${url}/cors/a`, { method: 'OPTIONS', headers });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('access-control-expose-headers'), /ETag/);
  headers.Origin = 'https://evil.example';
  assert.equal((await fetch(`${url}/cors/a`, { method: 'OPTIONS', headers })).status, 403);
});

test('a browser form uploads what its policy allows', async () => {
  const client = aliClient('virtual host', true, 'forms');
  await client.putBucket('forms');
  const send = async (key, conditions) => {
    const { policy, OSSAccessKeyId, Signature } = client.calculatePostSignature({ expiration: '2099-01-01T00:00:00.000Z', conditions });
    const form = new FormData();
    for (const [name, value] of Object.entries({ key, policy, OSSAccessKeyId, Signature, success_action_status: '201' })) form.set(name, value);
    form.set('file', new Blob(['hello\r\n--not the end'], { type: 'text/plain' }), 'a.txt');
    return fetch(`${url}/forms/`, { method: 'POST', body: form });
  };
  const stored = await send('user/${filename}', [['content-length-range', 0, 100], { bucket: 'forms' }, ['starts-with', '$key', 'user/']]);
  assert.equal(stored.status, 201);
  assert.match(await stored.text(), /<Key>user\/a.txt<\/Key>/);
  const got = await client.get('user/a.txt');
  assert.equal(got.content.toString(), 'hello\r\n--not the end');
  assert.equal(got.res.headers['content-type'], 'text/plain');
  assert.equal((await send('other/a.txt', [['starts-with', '$key', 'user/']])).status, 403);
  assert.equal((await send('user/b', [['content-length-range', 0, 3]])).status, 400);
  await assert.rejects(client.head('user/b'), { status: 404 });
});

// An application: what it was told, and what it answers.
async function application(answer) {
  const told = [];
  const app = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes) => { body += bytes; });
    request.on('end', () => {
      told.push({ headers: request.headers, body });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
  });
  await new Promise((done) => app.listen(0, '127.0.0.1', done));
  return { told, url: `http://127.0.0.1:${app.address().port}/told`, stop: () => { app.close(); app.closeAllConnections(); } };
}

test('ali-oss, upload callbacks', async () => {
  const client = aliClient('virtual host', true, 'callbacks');
  await client.putBucket('callbacks');
  const app = await application({ status: 200, body: '{"Status":"OK","id":7}' });
  const callback = {
    url: app.url, host: 'app.example', contentType: 'application/x-www-form-urlencoded',
    body: 'bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&mimeType=${mimeType}&v=${x:v}&none=${x:none}',
    customValue: { v: 'a b' },
  };
  const put = await client.put('dir/a b.txt', Buffer.from('hello'), { callback });
  assert.deepEqual(put.data, { Status: 'OK', id: 7 });
  assert.equal(app.told[0].headers.host, 'app.example');
  assert.deepEqual(Object.fromEntries(new URLSearchParams(app.told[0].body)), {
    bucket: 'callbacks', object: 'dir/a b.txt', etag: '5D41402ABC4B2A76B9719D911017C592', size: '5',
    mimeType: 'text/plain', v: 'a b', none: '',
  });
  const json = { ...callback, contentType: 'application/json', body: '{"object":${object},"size":${size},"quoted":"${object}","v":${x:v}}' };
  const big = Buffer.alloc(250 * 1024, 'kinora');
  const multi = await client.multipartUpload('say "hi"', big, { partSize: 100 * 1024, callback: json });
  assert.deepEqual(multi.data, { Status: 'OK', id: 7 });
  assert.deepEqual(JSON.parse(app.told[1].body), { object: 'say "hi"', size: big.length, quoted: 'say "hi"', v: 'a b' });
  app.stop();
});

test('a callback that fails leaves the object stored and says so', async () => {
  const client = aliClient('virtual host', false, 'failing');
  await client.putBucket('failing');
  const app = await application({ status: 500, body: '{}' });
  const header = (config) => ({ 'x-oss-callback': Buffer.from(typeof config === 'string' ? config : JSON.stringify(config)).toString('base64') });
  const callbackBody = 'object=${object}';
  const fails = (name, callbackUrl, message) =>
    assert.rejects(client.put(name, Buffer.from('hello'), { headers: header({ callbackUrl, callbackBody }) }),
      { status: 203, code: 'CallbackFailed', message });
  await fails('a', `${app.url};${app.url}`, /500/);
  assert.equal(app.told.length, 2);
  assert.equal((await client.get('a')).content.toString(), 'hello');
  await fails('b', 'http://10.1.2.3/', /not public and not allowed/);
  for (const wrong of ['no json', {}, { callbackUrl: app.url }, { callbackBody }])
    await assert.rejects(client.put('c', Buffer.from('x'), { headers: header(wrong) }), { code: 'InvalidArgument', status: 400 });
  await assert.rejects(client.head('c'), { status: 404 });
  app.stop();
});

test('ali-oss, temporary keys upload in parts', async () => {
  const owner = aliClient('virtual host', true, 'temporary');
  await owner.putBucket('temporary');
  for (const authorizationV4 of [false, true]) {
    const [accessKeyId, accessKeySecret, stsToken] = temporary.split(' ');
    const keys = { accessKeyId, accessKeySecret, stsToken };
    const options = { endpoint: `http://oss.localhost:${port}`, region: 'oss-cn-hangzhou', bucket: 'temporary', authorizationV4 };
    const client = new OSS({ ...options, ...keys });
    const bytes = Buffer.alloc(200 * 100 * 1024, `part ${authorizationV4} `);
    await client.multipartUpload('film.mp4', bytes, { partSize: 100 * 1024, parallel: 8 });
    const got = await client.get('film.mp4');
    assert.ok(got.content.equals(bytes));
    assert.match(got.res.headers.etag, /^"[0-9A-F]{32}-200"$/);
    const link = authorizationV4 ? await client.signatureUrlV4('GET', 60, {}, 'film.mp4') : client.signatureUrl('film.mp4');
    assert.equal((await fetch(link, { headers: { range: 'bytes=0-3' } })).status, 206);
    const lost = new OSS({ ...options, ...keys, stsToken: 'other' });
    await assert.rejects(lost.get('film.mp4'), { status: 403, code: 'InvalidSecurityToken' });
  }
});

test('bytes that are not those announced are refused', async () => {
  const client = aliClient('virtual host', true, 'sums');
  await client.putBucket('sums');
  const headers = { 'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA==' };
  await assert.rejects(client.put('a', Buffer.from('hello'), { headers }), { status: 400, code: 'InvalidDigest' });
  await assert.rejects(client.head('a'), { status: 404 });
  const put = await client.put('b', Buffer.from('123456789'));
  assert.equal(put.res.headers['x-oss-hash-crc64ecma'], '11051210869376104954');
  assert.equal((await client.head('b')).res.headers['x-oss-hash-crc64ecma'], '11051210869376104954');
});

test('aws-sdk, with its default checksums and streams', async () => {
  const client = new S3.S3Client({ endpoint: url, region: 'cn-hangzhou', forcePathStyle: true, credentials: { accessKeyId: id, secretAccessKey: secret } });
  const Bucket = 'aws-bucket';
  await client.send(new S3.CreateBucketCommand({ Bucket }));
  await client.send(new S3.PutObjectCommand({ Bucket, Key: 'dir/中 a+b.txt', Body: 'hello', Metadata: { people: 'x' } }));
  await client.send(new S3.PutObjectCommand({ Bucket, Key: 'stream', Body: Readable.from([Buffer.from('hello file')]), ContentLength: 10 }));
  const got = await client.send(new S3.GetObjectCommand({ Bucket, Key: 'stream' }));
  assert.equal(await got.Body.transformToString(), 'hello file');
  assert.equal(got.ContentEncoding, undefined);
  const head = await client.send(new S3.HeadObjectCommand({ Bucket, Key: 'dir/中 a+b.txt' }));
  assert.equal(head.Metadata.people, 'x');
  await client.send(new S3.CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/stream` }));
  const upload = await client.send(new S3.CreateMultipartUploadCommand({ Bucket, Key: 'big' }));
  const part = await client.send(new S3.UploadPartCommand({ Bucket, Key: 'big', UploadId: upload.UploadId, PartNumber: 1, Body: Buffer.alloc(5 << 20, 'x') }));
  await client.send(new S3.CompleteMultipartUploadCommand({ Bucket, Key: 'big', UploadId: upload.UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag }] } }));
  const listed = await client.send(new S3.ListObjectsV2Command({ Bucket }));
  assert.deepEqual(listed.Contents.map((o) => o.Key), ['big', 'copy', 'dir/中 a+b.txt', 'stream']);
  await client.send(new S3.DeleteObjectsCommand({ Bucket, Delete: { Objects: listed.Contents.map((o) => ({ Key: o.Key })) } }));
  await client.send(new S3.DeleteBucketCommand({ Bucket }));
});

test('minio, with encoded listings', async () => {
  const client = new Minio.Client({ endPoint: '127.0.0.1', port: Number(port), useSSL: false, accessKey: id, secretKey: secret, region: 'cn-hangzhou' });
  await client.makeBucket('minio-bucket', 'cn-hangzhou');
  await client.putObject('minio-bucket', 'dir/a b&c.txt', 'hello');
  const names = [];
  for await (const item of client.listObjectsV2('minio-bucket', 'dir/', true)) names.push(item.name);
  assert.deepEqual(names, ['dir/a b&c.txt']);
  const chunks = [];
  for await (const chunk of await client.getObject('minio-bucket', 'dir/a b&c.txt')) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), 'hello');
  await client.removeObjects('minio-bucket', names);
  await client.removeBucket('minio-bucket');
});
