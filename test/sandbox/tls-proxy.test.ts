import { existsSync, readFileSync } from 'node:fs';
import { Client } from '@elastic/elasticsearch';
import { afterEach, expect, test } from 'vitest';
import { sandbox } from '../support/sandbox.js';
import { randomApiKey, startTlsProxy, type TlsProxy } from '../support/tls-proxy.js';

let proxy: TlsProxy | undefined;
afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});

const target = () => sandbox().elasticsearch.url;
const trusting = (caFile: string) => ({ tls: { ca: readFileSync(caFile) }, maxRetries: 0 });

test('passes requests on to those who trust its authority', async () => {
  proxy = await startTlsProxy({ target: target() });
  const client = new Client({ node: proxy.url, ...trusting(proxy.caFile) });
  expect((await client.info()).version.number).toMatch(/^8\.19\./);
  expect(proxy.requests).toBe(1);

  const suspicious = new Client({ node: proxy.url, ...trusting(proxy.otherCaFile) });
  await expect(suspicious.info()).rejects.toThrow(/certificate|signature/);
  const plain = new Client({ node: proxy.url, maxRetries: 0 });
  await expect(plain.info()).rejects.toThrow(/certificate/);
  expect(proxy.requests).toBe(1);
});

test.each([
  { kind: 'password', auth: { username: 'elastic', password: 'näh:!' } },
  { kind: 'API key', auth: { apiKey: randomApiKey() } },
])('lets in the right $kind and refuses every other', async ({ auth }) => {
  proxy = await startTlsProxy({ target: target(), requireAuth: auth });
  const node = proxy.url;
  const tls = trusting(proxy.caFile);
  await new Client({ node, auth, ...tls }).cat.health();
  const wrong = { username: 'elastic', password: 'wrong' };
  await expect(new Client({ node, auth: wrong, ...tls }).info()).rejects.toMatchObject({
    statusCode: 401,
    message: expect.stringContaining('security_exception: unable to authenticate') as string,
  });
  await expect(new Client({ node, ...tls }).info()).rejects.toMatchObject({ statusCode: 401 });
  expect(proxy.refused).toBe(2);
});

test('leaves nothing behind', async () => {
  const closed = await startTlsProxy({ target: target() });
  await closed.close();
  expect(existsSync(closed.caFile)).toBe(false);
  await expect(fetch(closed.url)).rejects.toThrow();
});
