// The front as each official client meets it: both kinds of signature, every product's version on one
// port, errors in the vendor's form.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import MtsModule, { QueryJobListRequest } from '@alicloud/mts20140618';
import legacy from '@alicloud/openapi-client';
import core from '@alicloud/openapi-core';
import teaUtil from '@alicloud/tea-util';
import RPCClient from '@alicloud/pop-core';

import { startKinora } from './support/server.mjs';

const Mts = MtsModule.default;
let kinora;

before(async () => { kinora = await startKinora(); });
after(async () => { await kinora?.stop(); });

const config = () => ({
  accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret, endpoint: kinora.api, protocol: 'http',
  regionId: 'cn-shanghai',
});

// Newest generic client: openapi-core, what generated SDKs are built on now.
async function callCore(version, action, query, { body, bodyType = 'json', method = 'POST', ...more } = {}) {
  const client = new core.default(new core.$OpenApiUtil.Config({ ...config(), ...more }));
  const request = new core.$OpenApiUtil.OpenApiRequest({ query, ...(body ? { body } : {}) });
  const params = new core.$OpenApiUtil.Params({
    action, version, protocol: 'http', pathname: '/', method, authType: 'AK', style: 'RPC',
    reqBodyType: body ? 'formData' : 'json', bodyType,
  });
  return client.callApi(params, request, {});
}

test('openapi-core calls, with parameters in the query, in a form and nested', async () => {
  const made = await callCore('2020-11-09', 'CreatePipeline', { Name: 'core', Speed: 'Standard', Priority: '3' });
  const id = made.body.Pipeline.PipelineId;
  assert.ok(id);
  const form = await callCore('2020-11-09', 'GetPipeline', {}, { body: { PipelineId: id } });
  assert.equal(form.body.Pipeline.Name, 'core');
  const got = await callCore('2020-11-09', 'GetPipeline', { PipelineId: id }, { method: 'GET' });
  assert.deepEqual(got.body.Pipeline, form.body.Pipeline);
});

test('every answer has a request id', async () => {
  const answer = await callCore('2020-11-09', 'ListPipelines', {});
  assert.match(answer.body.RequestId, /^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$/);
  assert.equal(answer.statusCode, 200);
});

test('a parameter that is missing is named, with the vendor\'s code', async () => {
  await assert.rejects(callCore('2020-11-09', 'GetPipeline', {}), (error) => {
    assert.equal(error.code, 'MissingParameter');
    assert.equal(error.statusCode, 400);
    assert.match(error.message, /PipelineId/);
    return true;
  });
});

test('an operation that is not here is refused as the vendor refuses an unknown one, in every version', async () => {
  for (const version of ['2020-11-09', '2014-06-18', '2017-03-21', '2020-09-30', '2015-04-01'])
    await assert.rejects(callCore(version, 'MakeCoffee', {}), (error) => {
      assert.equal(error.code, 'InvalidAction.NotFound', version);
      assert.equal(error.statusCode, 404);
      return true;
    });
  await assert.rejects(callCore('1999-01-01', 'ListPipelines', {}), /InvalidProduct.NotFound/);
});

test('the typed MTS client reads that refusal', async () => {
  const client = new Mts(new legacy.Config(config()));
  await assert.rejects(
    client.queryJobListWithOptions(new QueryJobListRequest({ jobIds: 'a' }), new teaUtil.RuntimeOptions({})),
    (error) => {
      assert.equal(error.code, 'InvalidAction.NotFound');
      assert.equal(error.statusCode, 404);
      assert.match(error.description, /no action 'QueryJobList'/);
      assert.ok(error.requestId);
      return true;
    });
});

test('a wrong secret and an unknown key are told apart', async () => {
  await assert.rejects(callCore('2020-11-09', 'ListPipelines', {}, { accessKeySecret: 'wrong' }),
    (error) => error.code === 'SignatureDoesNotMatch');
  await assert.rejects(callCore('2020-11-09', 'ListPipelines', {}, { accessKeyId: 'nobody' }),
    (error) => error.code === 'InvalidAccessKeyId.NotFound');
});

test('temporary keys of STS work, and only with their token', async () => {
  const answer = await callCore('2015-04-01', 'AssumeRole',
    { RoleArn: 'acs:ram::1000000000000001:role/editor', RoleSessionName: 'test' });
  const { AccessKeyId, AccessKeySecret, SecurityToken } = answer.body.Credentials;
  const temporary = { accessKeyId: AccessKeyId, accessKeySecret: AccessKeySecret };
  const listed = await callCore('2020-11-09', 'ListPipelines', {}, { ...temporary, securityToken: SecurityToken });
  assert.ok(Array.isArray(listed.body.PipelineList));
  await assert.rejects(callCore('2020-11-09', 'ListPipelines', {}, temporary));
});

test('the older client speaks GET and POST', async () => {
  const client = new RPCClient({
    accessKeyId: kinora.key.id, accessKeySecret: kinora.key.secret, endpoint: `http://${kinora.api}`,
    apiVersion: '2020-11-09',
  });
  for (const method of ['GET', 'POST']) {
    const answer = await client.request('ListPipelines', {}, { method });
    assert.ok(Array.isArray(answer.PipelineList));
  }
  await assert.rejects(client.request('GetPipeline', { PipelineId: 'nobody' }),
    (error) => error.name.startsWith('ResourceNotFound') || /NotFound/.test(error.code));
});
