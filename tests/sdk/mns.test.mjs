// SPDX-License-Identifier: GPL-3.0-or-later
// Queues and topics through the official client, @alicloud/mns.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import MNSClient from '@alicloud/mns';

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
