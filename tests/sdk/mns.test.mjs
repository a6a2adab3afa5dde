// SPDX-License-Identifier: GPL-3.0-or-later
// Queues and topics through the official client, @alicloud/mns.
import assert from 'node:assert/strict';
import { createHash, createHmac, createVerify } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';

import MNSClient from '@alicloud/mns';
import RPCClient from '@alicloud/pop-core';
import OSS from 'ali-oss';

import { startKinora } from './support/server.mjs';

const account = '1000000000000001';
let kinora, mns;

before(async () => {
  kinora = await startKinora();
  mns = clientFor(kinora);
});

after(async () => {
  const end = await kinora?.stop();
  if (end) assert.equal(end.code, 0, 'SIGTERM ends the server cleanly');
});

function clientFor({ mns: host, key }, more = {}) {
  return new MNSClient(account, {
    endpoint: `http://${host}`, accessKeyId: key.id, accessKeySecret: key.secret, ...more,
  });
}

const rejects = (promise, code) =>
  assert.rejects(promise, (error) => error.name === `MNS${code}Error` || assert.fail(`${error.name}: ${error.message}`));

test('a queue is made, described, changed, listed and removed', async () => {
  const made = await mns.createQueue('films', { VisibilityTimeout: 40 });
  assert.equal(made.code, 201);
  assert.match(made.headers.location, /\/queues\/films$/);
  assert.equal((await mns.createQueue('films', { VisibilityTimeout: 40 })).code, 204);
  await rejects(mns.createQueue('films', { VisibilityTimeout: 41 }), 'QueueAlreadyExist');
  await rejects(mns.createQueue('films-2', { VisibilityTimeout: 43201 }), 'InvalidArgument');
  await rejects(mns.createQueue('-films', {}), 'InvalidQueueName');
  await rejects(mns.createQueue('f'.repeat(257), {}), 'QueueNameLengthError');
  assert.equal((await mns.createQueue('f'.repeat(256), {})).code, 201);
  assert.equal((await mns.setQueueAttributes('films', { PollingWaitSeconds: 5 })).code, 204);
  const { body } = await mns.getQueueAttributes('films');
  assert.equal(body.QueueName, 'films');
  assert.equal(body.VisibilityTimeout, '40');
  assert.equal(body.PollingWaitSeconds, '5');
  assert.equal(body.MaximumMessageSize, '65536');
  assert.equal(body.ActiveMessages, '0');
  assert.equal(body.LoggingEnabled, 'False');
  await mns.createQueue('films-2', {});
  const first = await mns.listQueue('', 1, 'films');
  assert.match(JSON.stringify(first.body), /\/queues\/films"/);
  assert.doesNotMatch(JSON.stringify(first.body), /films-2/);
  for (const name of ['films', 'films-2', 'f'.repeat(256)]) assert.equal((await mns.deleteQueue(name)).code, 204);
  await rejects(mns.getQueueAttributes('films'), 'QueueNotExist');
  await rejects(mns.sendMessage('films', { MessageBody: 'x' }), 'QueueNotExist');
});

test('a message is sent, looked at, received, kept hidden and deleted', async () => {
  await mns.createQueue('letters', {});
  const sent = await mns.sendMessage('letters', { MessageBody: 'hello 中 𝄞', Priority: 3 });
  assert.equal(sent.code, 201);
  const md5 = createHash('md5').update('hello 中 𝄞').digest('hex').toUpperCase();
  assert.equal(sent.body.MessageBodyMD5, md5);
  const peeked = await mns.peekMessage('letters');
  assert.equal(peeked.body.MessageBody, 'hello 中 𝄞');
  assert.equal(peeked.body.ReceiptHandle, undefined);
  const got = await mns.receiveMessage('letters');
  assert.equal(got.body.MessageId, sent.body.MessageId);
  assert.equal(got.body.MessageBody, 'hello 中 𝄞');
  assert.equal(got.body.DequeueCount, '1');
  assert.equal(got.body.Priority, '3');
  assert.match(got.body.EnqueueTime, /^\d{13}$/);
  await rejects(mns.receiveMessage('letters'), 'MessageNotExist');
  const changed = await mns.changeMessageVisibility('letters', got.body.ReceiptHandle, 60);
  assert.equal(changed.code, 200);
  assert.notEqual(changed.body.ReceiptHandle, got.body.ReceiptHandle);
  await rejects(mns.deleteMessage('letters', got.body.ReceiptHandle), 'MessageNotExist');
  assert.equal((await mns.getQueueAttributes('letters')).body.InactiveMessages, '1');
  assert.equal((await mns.deleteMessage('letters', changed.body.ReceiptHandle)).code, 204);
  await rejects(mns.deleteMessage('letters', 'nonsense'), 'ReceiptHandleError');
  await rejects(mns.sendMessage('letters', { MessageBody: 'hello <&>' }), 'MalformedXML');
});

test('batches of sixteen, and what is wrong in them', async () => {
  await mns.createQueue('crates', { MaximumMessageSize: 1024 });
  const sent = await mns.batchSendMessage('crates', [{ MessageBody: 'one', Priority: 9 }, { MessageBody: 'two' }]);
  assert.equal(sent.body.length, 2);
  const got = await mns.batchReceiveMessage('crates', 16);
  assert.deepEqual(got.body.map((m) => m.MessageBody), ['two', 'one'], 'by priority');
  const many = Array.from({ length: 17 }, (_, i) => ({ MessageBody: `${i}` }));
  await rejects(mns.batchSendMessage('crates', many), 'InvalidArgument');
  const handles = got.body.map((m) => m.ReceiptHandle);
  const partly = await mns.batchDeleteMessage('crates', [handles[0], 'nonsense']);
  assert.equal(partly.code, 404);
  assert.equal(partly.body[0].ErrorCode, 'ReceiptHandleError');
  assert.equal((await mns.batchDeleteMessage('crates', [handles[1]])).code, 204);
});

test('a delayed message is deleted before it appears', async () => {
  await mns.createQueue('later', {});
  const sent = await mns.sendMessage('later', { MessageBody: 'not yet', DelaySeconds: 600 });
  assert.equal((await mns.getQueueAttributes('later')).body.DelayMessages, '1');
  await rejects(mns.receiveMessage('later'), 'MessageNotExist');
  assert.equal((await mns.deleteMessage('later', sent.body.ReceiptHandle)).code, 204);
  assert.equal((await mns.getQueueAttributes('later')).body.DelayMessages, '0');
});

test('a hundred long polls wait without a thread each, and each gets its message', async () => {
  await mns.createQueue('calls', {});
  const began = Date.now();
  const waiting = Array.from({ length: 100 }, () => mns.receiveMessage('calls', 30));
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  for (let i = 0; i < 100; i += 10)
    await mns.batchSendMessage('calls', Array.from({ length: 10 }, (_, k) => ({ MessageBody: `${i + k}` })));
  const got = (await Promise.all(waiting)).map(({ body }) => Number(body.MessageBody)).sort((a, b) => a - b);
  assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => i));
  assert.ok(Date.now() - began < 29_000, 'nobody waited to the end');
  const receiving = mns.receiveMessage('calls', 1);
  await rejects(receiving, 'MessageNotExist');
});

test('an endpoint that ends in a slash, a wrong secret, an unknown key', async () => {
  const slashed = clientFor({ mns: `${kinora.mns}/`, key: kinora.key });
  assert.equal((await slashed.createQueue('slashed', {})).code, 201);
  await rejects(clientFor({ mns: kinora.mns, key: { ...kinora.key, secret: 'wrong' } }).getQueueAttributes('slashed'),
    'SignatureDoesNotMatch');
  await rejects(clientFor({ mns: kinora.mns, key: { id: 'NOBODY', secret: 'x' } }).getQueueAttributes('slashed'),
    'InvalidAccessKeyId');
});

// The client's subscribe() and its like are empty; its put() signs and sends what it is given.
const subscribe = (topic, name, members, query = '') => mns.put(`/topics/${topic}/subscriptions/${name}${query}`,
  'Subscription', Buffer.from(`<?xml version="1.0"?><Subscription xmlns="http://mns.aliyuncs.com/doc/v1/">${
    Object.entries(members).map(([k, v]) => `<${k}>${v}</${k}>`).join('')}</Subscription>`), ['location']);

// A receiver of pushes. answer(n) says with which status its nth request is answered.
async function startSubscriber(answer) {
  const pushes = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text) => { body += text; });
    request.on('end', () => {
      pushes.push({ url: request.url, headers: request.headers, body });
      const status = answer(pushes.length);
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return {
    pushes,
    url: `http://127.0.0.1:${server.address().port}`,
    async seen(n) {
      for (let i = 0; i < 1200 && pushes.length < n; i++) await new Promise((resolve) => { setTimeout(resolve, 50); });
      assert.ok(pushes.length >= n, `${pushes.length} of ${n} pushes arrived`);
    },
    stop: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}

function signedText({ url, headers }, without = []) {
  const mnsLines = Object.keys(headers).filter((name) => name.startsWith('x-mns-') && !without.includes(name)).sort()
    .map((name) => `${name}:${headers[name]}\n`).join('');
  return `POST\n${headers['content-md5']}\n${headers['content-type']}\n${headers.date}\n${mnsLines}${url}`;
}

test('a topic is made, described, changed, listed', async () => {
  assert.equal((await mns.createTopic('news', { MaximumMessageSize: 2048 })).code, 201);
  assert.equal((await mns.createTopic('news', { MaximumMessageSize: 2048 })).code, 204);
  await rejects(mns.createTopic('news', { MaximumMessageSize: 4096 }), 'TopicAlreadyExist');
  assert.equal((await mns.setTopicAttributes('news', { MaximumMessageSize: 4096 })).code, 204);
  const { body } = await mns.getTopicAttributes('news');
  assert.equal(body.MaximumMessageSize, '4096');
  assert.equal(body.MessageRetentionPeriod, '86400');
  assert.match(JSON.stringify((await mns.listTopic('', 10, 'ne')).body), /\/topics\/news"/);
  await rejects(mns.getTopicAttributes('olds'), 'TopicNotExist');
  await rejects(mns.publishMessage('olds', { MessageBody: 'x' }), 'TopicNotExist');
  await rejects(mns.publishMessage('news', { MessageBody: 'x'.repeat(4097) }), 'InvalidArgument');
});

test('a subscribed queue gets what its filter lets through, in its format', async () => {
  await mns.createTopic('city', {});
  await mns.createQueue('paper', {});
  await mns.createQueue('flash', {});
  const endpoint = (queue) => `acs:mns:cn-shanghai:${account}:queues/${queue}`;
  const made = await subscribe('city', 'all', { Endpoint: endpoint('paper'), NotifyContentFormat: 'JSON' });
  assert.equal(made.code, 201);
  assert.match(made.headers.location, /\/topics\/city\/subscriptions\/all$/);
  assert.equal((await subscribe('city', 'all', { Endpoint: endpoint('paper'), NotifyContentFormat: 'JSON' })).code, 204);
  await rejects(subscribe('city', 'all', { Endpoint: endpoint('flash') }), 'SubscriptionAlreadyExist');
  await rejects(subscribe('city', 'bad', { Endpoint: 'mail:directmail:someone' }), 'EndpointInvalid');
  await rejects(subscribe('nowhere', 's', { Endpoint: endpoint('flash') }), 'TopicNotExist');
  await subscribe('city', 'urgent', { Endpoint: endpoint('flash'), FilterTag: 'urgent', NotifyContentFormat: 'SIMPLIFIED' });
  const slow = await mns.publishMessage('city', { MessageBody: 'a slow day' });
  const fire = await mns.publishMessage('city', { MessageBody: 'fire! 中', MessageTag: 'urgent' });
  const paper = (await mns.batchReceiveMessage('paper', 16)).body.map((m) => JSON.parse(m.MessageBody));
  assert.deepEqual(paper.map((m) => [m.MessageId, m.Message, m.MessageTag, m.TopicName, m.SubscriptionName, m.TopicOwner]),
    [[slow.body.MessageId, 'a slow day', undefined, 'city', 'all', account],
      [fire.body.MessageId, 'fire! 中', 'urgent', 'city', 'all', account]]);
  const flash = await mns.batchReceiveMessage('flash', 16);
  assert.deepEqual(flash.body.map((m) => m.MessageBody), ['fire! 中']);
  const got = await mns.get('/topics/city/subscriptions/urgent', 'Subscription');
  assert.equal(got.body.FilterTag, 'urgent');
  assert.equal(got.body.NotifyStrategy, 'BACKOFF_RETRY');
  assert.equal((await subscribe('city', 'urgent', { NotifyStrategy: 'EXPONENTIAL_DECAY_RETRY' }, '?metaoverride=true')).code, 204);
  assert.equal((await mns.get('/topics/city/subscriptions/urgent', 'Subscription')).body.NotifyStrategy, 'EXPONENTIAL_DECAY_RETRY');
  const list = await mns.get('/topics/city/subscriptions', 'Subscriptions');
  assert.match(JSON.stringify(list.body), /subscriptions\/all"[^]*subscriptions\/urgent"/);
  assert.equal((await mns.delete('/topics/city/subscriptions/urgent', 'Subscription', '')).code, 204);
  await rejects(mns.get('/topics/city/subscriptions/urgent', 'Subscription'), 'SubscriptionNotExist');
  assert.equal((await mns.delete('/topics/city', 'Topic', '')).code, 204);
});

test('pushes are signed, in three formats, and tried again until a 2xx', async () => {
  await mns.createTopic('push', {});
  const formats = ['XML', 'JSON', 'SIMPLIFIED'];
  const subscribers = await Promise.all(formats.map(() => startSubscriber(() => 204)));
  // The first answers of this one do not count; its strategy tries again after 1 s, 2 s, 4 s.
  const stubborn = await startSubscriber((n) => [500, 302, 404][n - 1] ?? 200);
  for (const [i, format] of formats.entries()) {
    const path = format === 'JSON' ? '/in/box?a=1&amp;b=2' : '';
    await subscribe('push', format, { Endpoint: `${subscribers[i].url}${path}`, NotifyContentFormat: format });
  }
  await subscribe('push', 'stubborn', { Endpoint: stubborn.url, NotifyStrategy: 'EXPONENTIAL_DECAY_RETRY' });
  const { body: { MessageId } } = await mns.publishMessage('push', { MessageBody: 'it is done', MessageTag: 'done' });
  const certificate = await (await fetch(`http://${kinora.mns}/.well-known/mns-cert.pem`)).text();
  for (const [i, format] of formats.entries()) {
    await subscribers[i].seen(1);
    const push = subscribers[i].pushes[0];
    assert.equal(push.url, format === 'JSON' ? '/in/box?a=1&b=2' : '/notifications');
    assert.equal(push.headers['user-agent'], 'Aliyun Notification Service Agent');
    assert.equal(push.headers['x-mns-message-id'], MessageId);
    assert.equal(Buffer.from(push.headers['x-mns-signing-cert-url'], 'base64').toString(),
      `http://${kinora.mns}/.well-known/mns-cert.pem`);
    const hex = createHash('md5').update(push.body).digest('hex');
    assert.equal(push.headers['content-md5'], Buffer.from(hex).toString('base64'));
    assert.ok(createVerify('RSA-SHA1').update(signedText(push)).verify(certificate, push.headers.authorization, 'base64'));
    assert.ok(createVerify('RSA-SHA256').update(signedText(push, ['x-mns-signature-sha256']))
      .verify(certificate, push.headers['x-mns-signature-sha256'], 'base64'));
  }
  assert.match(subscribers[0].pushes[0].body, /<Message>it is done<\/Message><MessageTag>done<\/MessageTag><PublishTime>\d{13}</);
  assert.equal(JSON.parse(subscribers[1].pushes[0].body).Message, 'it is done');
  assert.equal(subscribers[2].pushes[0].body, 'it is done');
  assert.equal(subscribers[2].pushes[0].headers['x-mns-message-tag'], 'done');
  await stubborn.seen(4);
  assert.ok(stubborn.pushes.every(({ url }) => url === '/notifications'), 'no redirect is followed');
  await Promise.all([...subscribers, stubborn].map((one) => one.stop()));
});

test('events of the service arrive in queues and topics', async () => {
  const pop = new RPCClient({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret,
    endpoint: `http://${kinora.api}`, apiVersion: '2020-11-09',
  });
  for (const queue of ['ice-callback-all', 'watcher']) await mns.createQueue(queue, {});
  await mns.createTopic('ends', {});
  await subscribe('ends', 'watcher', {
    Endpoint: `acs:mns:cn-shanghai:${account}:queues/watcher`, NotifyContentFormat: 'SIMPLIFIED',
  });
  await pop.request('SetEventCallback', {
    CallbackType: 'MNS', CallbackQueueName: 'ice-callback-all', EventTypeList: 'MediaConvertComplete',
  }, { method: 'POST' });
  // A job that fails at once makes events as well as any other.
  const { JobId } = await pop.request('SubmitMediaConvertJob', {
    Config: JSON.stringify({
      Inputs: [{ Name: 'v', InputFile: { Type: 'OSS', Media: 'oss://nowhere/film.mp4' } }],
      Outputs: [{ Name: 'o', OutputFile: { Type: 'OSS', Media: 'oss://nowhere/out.mp4' }, TemplateId: 'Video-360P' }],
    }),
    UserData: JSON.stringify({ NotifyAddress: 'topics/ends' }),
  }, { method: 'POST' });
  for (const queue of ['ice-callback-all', 'watcher']) {
    let event;
    do {
      const { body } = await mns.receiveMessage(queue, 30);
      event = JSON.parse(body.MessageBody);
      assert.equal((await mns.deleteMessage(queue, body.ReceiptHandle)).code, 204);
    } while (event.EventType !== 'MediaConvertComplete');
    assert.equal(event.MessageBody.JobId, JobId);
  }
});

// Mns-open, the vendor's product for rules, through the client that carries every product.
const rpcOf = (server, apiVersion) => new RPCClient({
  accessKeyId: server.key.id, accessKeySecret: server.key.secret, endpoint: `http://${server.api}`, apiVersion,
});

// The events in the next message of a queue, which is deleted.
async function eventsOf(client, queue) {
  const { body } = await client.receiveMessage(queue, 30);
  assert.equal((await client.deleteMessage(queue, body.ReceiptHandle)).code, 204);
  return JSON.parse(Buffer.from(body.MessageBody, 'base64').toString()).events;
}

const ossOf = (server) => new OSS({
  accessKeyId: server.key.id, accessKeySecret: server.key.secret, endpoint: `http://${server.oss}`, bucket: 'arrivals',
});

test('what is uploaded, copied, appended and deleted is announced where a rule says', async () => {
  const rules = rpcOf(kinora, '2022-01-19');
  const oss = ossOf(kinora);
  await oss.putBucket('arrivals');
  for (const queue of ['arrivals', 'departures']) await mns.createQueue(queue, {});
  await mns.createTopic('traffic', {});
  await subscribe('traffic', 'out', {
    Endpoint: `acs:mns:cn-shanghai:${account}:queues/departures`, NotifyContentFormat: 'SIMPLIFIED',
  });
  const made = await rules.request('CreateEventRule', {
    ProductName: 'oss', RuleName: 'in', EventTypes: JSON.stringify(['ObjectCreated:*']),
    MatchRules: JSON.stringify([[{ Prefix: `acs:oss:cn-shanghai:${account}:arrivals/in/`, Suffix: '.mp4', MatchState: true }]]),
    Endpoint: JSON.stringify({ EndpointType: 'queue', EndpointValue: 'arrivals' }),
  }, { method: 'POST' });
  assert.deepEqual([made.Code, made.Status, made.Data], [200, 'Success', 'in']);
  await rules.request('CreateEventRule', {
    ProductName: 'oss', RuleName: 'out', EventTypes: JSON.stringify(['ObjectRemoved:*']),
    MatchRules: JSON.stringify([[{ Name: 'arrivals' }]]),
    Endpoint: JSON.stringify({ EndpointType: 'topic', EndpointValue: 'traffic' }),
  }, { method: 'POST' });

  const bytes = Buffer.from('hello');
  await oss.put('elsewhere.mp4', bytes);
  await oss.put('in/a.mp4', bytes);
  await oss.copy('in/b.mp4', 'in/a.mp4');
  await oss.append('in/c.mp4', bytes);
  await oss.multipartUpload('in/d 中.mp4', Buffer.alloc(300_000, 'x'), { partSize: 102_400 });
  await oss.delete('in/a.mp4');
  await oss.deleteMulti(['in/b.mp4', 'in/c.mp4']);

  const came = new Map();
  while (came.size < 4) for (const event of await eventsOf(mns, 'arrivals')) came.set(event.oss.object.key, event);
  assert.deepEqual([...came].map(([key, event]) => [key, event.eventName.split(':')[1]]).sort(), [
    ['in/a.mp4', 'PutObject'], ['in/b.mp4', 'CopyObject'], ['in/c.mp4', 'AppendObject'],
    ['in/d 中.mp4', 'CompleteMultipartUpload']]);
  const { eventTime, responseElements, ...event } = came.get('in/a.mp4');
  assert.match(eventTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(event, {
    eventName: 'ObjectCreated:PutObject', eventSource: 'acs:oss', eventVersion: '1.0', region: 'cn-shanghai',
    oss: {
      bucket: { arn: `acs:oss:cn-shanghai:${account}:arrivals`, name: 'arrivals', ownerIdentity: account, virtualBucket: '' },
      object: { deltaSize: 5, eTag: '5D41402ABC4B2A76B9719D911017C592', key: 'in/a.mp4', size: 5 },
      ossSchemaVersion: '1.0', ruleId: 'in',
    },
    requestParameters: { sourceIPAddress: '' }, userIdentity: { principalId: account },
  });
  const gone = [];
  while (gone.length < 3) gone.push(...(await eventsOf(mns, 'departures')).map(({ eventName, oss: { object } }) => [object.key, eventName]));
  assert.deepEqual(gone.sort(), [['in/a.mp4', 'ObjectRemoved:DeleteObject'], ['in/b.mp4', 'ObjectRemoved:DeleteObjects'],
    ['in/c.mp4', 'ObjectRemoved:DeleteObjects']]);

  const { Data } = await rules.request('ListEventRules', { ResourceName: 'arrivals' }, { method: 'POST' });
  assert.deepEqual(Data.PageData.map(({ RuleName }) => RuleName), ['in', 'out']);
  for (const RuleName of ['in', 'out']) await rules.request('DeleteEventRule', { ProductName: 'oss', RuleName }, { method: 'POST' });
  await oss.put('in/e.mp4', bytes);
  await rejects(mns.receiveMessage('arrivals', 1), 'MessageNotExist');
});

test('an upload that was acknowledged is announced, also when the service is killed', async () => {
  const first = await startKinora();
  await ossOf(first).putBucket('arrivals');
  // No queue yet: nothing can be delivered before the kill.
  await rpcOf(first, '2022-01-19').request('CreateEventRule', {
    ProductName: 'oss', RuleName: 'r', EventTypes: '["ObjectCreated:PutObject"]', MatchRules: '[[{"Name":"arrivals"}]]',
    Endpoint: '{"EndpointType":"queue","EndpointValue":"late"}',
  }, { method: 'POST' });
  const oss = ossOf(first);
  await Promise.all(Array.from({ length: 8 }, (_, i) => oss.put(`film-${i}`, Buffer.from('x'))));
  first.child.kill('SIGKILL');
  await first.exited;
  const second = await startKinora({ data: first.data });
  const client = clientFor(second);
  await client.createQueue('late', {});
  const seen = new Set();
  while (seen.size < 8) for (const { oss: { object } } of await eventsOf(client, 'late')) seen.add(object.key);
  await second.stop();
});

// ---- what the client never sends

// A request signed by hand; `bend` changes its headers after the signature.
async function raw(method, target, { body = '', headers = {}, key = kinora.key, sent = target, bend = {} } = {}) {
  const all = { date: new Date().toUTCString(), 'x-mns-version': '2015-06-06', ...headers };
  if (body) all['content-type'] ??= 'text/xml';
  const mnsLines = Object.keys(all).filter((name) => name.startsWith('x-mns-')).sort()
    .map((name) => `${name}:${all[name]}\n`).join('');
  const text = `${method}\n${all['content-md5'] ?? ''}\n${all['content-type'] ?? ''}\n${all.date}\n${mnsLines}${target}`;
  all.authorization = `MNS ${key.id}:${createHmac('sha1', key.secret).update(text).digest('base64')}`;
  const sending = Object.fromEntries(Object.entries({ ...all, ...bend }).filter(([, value]) => value !== undefined));
  // node:http, for fetch() may not send a Date of ours.
  return new Promise((resolve, reject) => {
    const [hostname, port] = kinora.mns.split(':');
    const request = httpRequest({ hostname, port, method, path: sent, headers: sending }, (response) => {
      let text_ = '';
      response.setEncoding('utf8').on('data', (piece) => { text_ += piece; })
        .on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: text_,
          code: /<(?:Error)?Code>(.*?)</.exec(text_)?.[1] }));
    });
    request.on('error', reject).end(body);
  });
}

test('both forms of Content-MD5, a wrong one, and headers that are missing', async () => {
  await mns.createQueue('raw', {});
  const body = '<Message><MessageBody>a &lt;&amp;&gt; b</MessageBody></Message>';
  const hash = createHash('md5').update(body);
  const hex = hash.copy().digest('hex');
  for (const md5 of [Buffer.from(hex).toString('base64'), hash.digest('base64')]) {
    assert.equal((await raw('POST', '/queues/raw/messages', { body, headers: { 'content-md5': md5 } })).status, 201);
    const { body: got } = await mns.receiveMessage('raw');
    assert.equal(got.MessageBody, 'a <&> b');
  }
  const wrong = await raw('POST', '/queues/raw/messages', { body, headers: { 'content-md5': 'AAAA' } });
  assert.deepEqual([wrong.status, wrong.code], [400, 'InvalidDegist']);
  const late = new Date(Date.now() - 16 * 60_000).toUTCString();
  for (const [options, status, code] of [
    [{ bend: { authorization: undefined } }, 400, 'MissingAuthorizationHeader'],
    [{ bend: { authorization: 'Basic x' } }, 400, 'InvalidAuthorizationHeader'],
    [{ bend: { date: undefined } }, 400, 'MissingDateHeader'],
    [{ bend: { 'x-mns-version': undefined } }, 400, 'MissingVersionHeader'],
    [{ headers: { date: late } }, 408, 'TimeExpired'],
    [{ headers: { date: 'yesterday' } }, 400, 'InvalidDateHeader'],
    [{ bend: { 'x-mns-more': 'unsigned' } }, 403, 'SignatureDoesNotMatch'],
  ]) {
    const got = await raw('GET', '/queues/raw', options);
    assert.deepEqual([got.status, got.code], [status, code]);
    assert.equal(got.headers['x-mns-version'], '2015-06-06');
    assert.match(got.headers['x-mns-request-id'], /^[0-9A-F]{24}$/);
    assert.match(got.headers['content-type'], /^text\/xml/);
  }
});

test('either spelling of parameters, a doubled slash, paths that are none, limits', async () => {
  await mns.sendMessage('raw', { MessageBody: 'spelled' });
  const { body } = await mns.receiveMessage('raw');
  const handle = body.ReceiptHandle;
  assert.equal((await raw('PUT', `/queues/raw/messages?ReceiptHandle=${handle}&VISIBILITYTIMEOUT=0`)).code, 'InvalidArgument');
  assert.equal((await raw('PUT', `/queues/raw/messages?ReceiptHandle=${handle}`)).code, 'MissingVisibilityTimeout');
  const changed = await raw('PUT', `/queues/raw/messages?ReceiptHandle=${handle}&VISIBILITYTIMEOUT=60`);
  assert.equal(changed.status, 200);
  const next = /<ReceiptHandle>(.*?)</.exec(changed.text)[1];
  assert.equal((await raw('DELETE', `/queues/raw/messages?receipthandle=${next}`, { sent: `//queues/raw/messages?receipthandle=${next}` })).status, 204);
  assert.equal((await raw('DELETE', '/queues/raw/messages')).code, 'MissingReceiptHandle');
  assert.equal((await raw('GET', '/queues/raw/letters')).code, 'InvalidRequestURL');
  assert.equal((await raw('PATCH', '/queues/raw')).status, 400);
  assert.equal((await raw('GET', '/queues/raw/messages?numOfMessages=17')).code, 'InvalidArgument');
  assert.equal((await raw('GET', '/queues/raw/messages?waitseconds=31')).code, 'InvalidArgument');
  const bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><Message><MessageBody>&c;</MessageBody></Message>';
  assert.equal((await raw('POST', '/queues/raw/messages', { body: bomb })).code, 'MalformedXML');
  const long = await raw('POST', '/queues/raw/messages', { body: `<Message><MessageBody>${'x'.repeat(65537)}</MessageBody></Message>` });
  assert.equal(long.code, 'InvalidArgument');
  const partly = await raw('POST', '/queues/raw/messages', { body: `<Messages><Message><MessageBody>fits</MessageBody></Message><Message><MessageBody>${'x'.repeat(65537)}</MessageBody></Message></Messages>` });
  assert.equal(partly.status, 500);
  assert.match(partly.text, /<MessageId>.*<ErrorCode>InvalidArgument</);
});

test('properties come back as they were sent', async () => {
  await mns.createQueue('properties', {});
  const properties = '<MessageGroupId>g1</MessageGroupId><UserProperties><PropertyValue><Name>n</Name><Value>1 &amp; 2</Value><Type>STRING</Type></PropertyValue></UserProperties>'
    + '<SystemProperties><SystemPropertyValue><Name>traceparent</Name><Value>00-1-2-01</Value><Type>STRING</Type></SystemPropertyValue></SystemProperties>';
  await raw('POST', '/queues/properties/messages', { body: `<Message><MessageBody>x</MessageBody>${properties}</Message>` });
  const got = await raw('GET', '/queues/properties/messages');
  assert.ok(got.text.includes(properties), got.text);
});

test('roles, and keys that end by themselves', async () => {
  const rpc = new RPCClient({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret,
    endpoint: `http://${kinora.api}`, apiVersion: '2026-01-01',
  });
  const keyOf = async (Role, more = {}) => {
    const { AccessKey } = await rpc.request('CreateAccessKey', { Role, ...more }, { method: 'POST' });
    return { id: AccessKey.AccessKeyId, secret: AccessKey.AccessKeySecret };
  };
  const [reader, operator] = [await keyOf('read-only'), await keyOf('operator')];
  await mns.sendMessage('raw', { MessageBody: 'for roles' });
  assert.equal((await raw('GET', '/queues/raw/messages?peekonly=true', { key: reader })).status, 200);
  assert.equal((await raw('GET', '/queues/raw/messages', { key: reader })).code, 'AccessDenied');
  assert.equal((await raw('GET', '/queues/raw/messages', { key: operator })).status, 200);
  assert.equal((await raw('PUT', '/queues/more', { key: operator })).code, 'AccessDenied');
  const sts = new RPCClient({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret,
    endpoint: `http://${kinora.api}`, apiVersion: '2015-04-01',
  });
  const { Credentials } = await sts.request('AssumeRole', { RoleArn: `acs:ram::${account}:role/x`, RoleSessionName: 'session' }, { method: 'POST' });
  const temporary = clientFor({ mns: kinora.mns, key: { id: Credentials.AccessKeyId, secret: Credentials.AccessKeySecret } },
    { securityToken: Credentials.SecurityToken });
  assert.equal((await temporary.getQueueAttributes('raw')).body.QueueName, 'raw');
  const key = { id: Credentials.AccessKeyId, secret: Credentials.AccessKeySecret };
  assert.equal((await raw('GET', '/queues/raw', { key })).code, 'InvalidAccessKeyId', 'not without its token');
});

test('whoever went away while waiting takes no message', async () => {
  await mns.createQueue('gone', {});
  const [hostname, port] = kinora.mns.split(':');
  const date = new Date().toUTCString();
  const target = '/queues/gone/messages?waitseconds=30';
  const signature = createHmac('sha1', kinora.key.secret)
    .update(`GET\n\n\n${date}\nx-mns-version:2015-06-06\n${target}`).digest('base64');
  const request = httpRequest({ hostname, port, path: target,
    headers: { date, 'x-mns-version': '2015-06-06', authorization: `MNS ${kinora.key.id}:${signature}` } });
  request.on('error', () => {}).end();
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  request.destroy();
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  await mns.sendMessage('gone', { MessageBody: 'still there' });
  assert.equal((await mns.receiveMessage('gone', 30)).body.DequeueCount, '1');
});
