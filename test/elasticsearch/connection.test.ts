import { expect, onTestFinished, test } from 'vitest';
import type { SourceSettings } from '../../src/core/settings.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import {
  randomApiKey,
  startTlsProxy,
  type TlsProxy,
  type TlsProxyOptions,
} from '../support/tls-proxy.js';
import { createIndex, never, open, rejection } from './support.js';

async function proxy(requireAuth?: TlsProxyOptions['requireAuth']): Promise<TlsProxy> {
  const started = await startTlsProxy({
    target: sandbox().elasticsearch.url,
    ...(requireAuth && { requireAuth }),
  });
  onTestFinished(() => started.close());
  return started;
}

async function inspect(changes: Partial<SourceSettings>): Promise<unknown> {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, { properties: { timestamp: { type: 'date' } } });
  const { indices } = await open({ index, ...changes }).inspect(never);
  return indices.length;
}

test('a certificate of its own authority is accepted where caFile names it', async () => {
  const { url, caFile } = await proxy();
  expect(await inspect({ urls: [url], caFile })).toBe(1);
});

test.each(['without caFile', 'with another authority'])(
  'it is refused %s, at once, naming the setting',
  async (how) => {
    const started = await proxy();
    const { url, otherCaFile } = started;
    const trust = how === 'without caFile' ? {} : { caFile: otherCaFile };
    expect(await rejection(inspect({ urls: [url], ...trust }))).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(
        `the certificate of Elasticsearch at ${url} was not accepted: `,
      ) as string,
      advice: 'Name its certificate authority in source.caFile.',
    });
    expect(started.requests).toBe(0);
  },
);

test('insecure accepts any', async () => {
  const { url } = await proxy();
  expect(await inspect({ urls: [url], insecure: true })).toBe(1);
});

const user = { username: 'reader', password: 'p:ä s"s' };
const apiKey = randomApiKey();

test.each([
  ['user and password', user],
  ['an API key', { apiKey }],
])('%s let in', async (_, auth) => {
  const started = await proxy(auth);
  expect(await inspect({ urls: [started.url], caFile: started.caFile, auth })).toBe(1);
  expect(started.refused).toBe(0);
});

test.each([
  ['a wrong password', user, { ...user, password: 'secret-that-is-wrong' }],
  ['a wrong API key', { apiKey }, { apiKey: randomApiKey() }],
  ['no credentials', user, undefined],
])('%s: refused at once, without the secret', async (_, requireAuth, auth) => {
  const started = await proxy(requireAuth);
  const { url, caFile } = started;
  const error = await rejection(inspect({ urls: [url], caFile, ...(auth && { auth }) }));
  expect(error).toMatchObject({
    kind: 'usage',
    message: 'Elasticsearch refused the credentials (401)',
  });
  expect(started.refused).toBe(1);
  expect(String((error as Error).stack)).not.toContain('secret-that-is-wrong');
});

test('one dead node of two does no harm', async () => {
  const dead = 'http://127.0.0.1:9';
  const alive = sandbox().elasticsearch.url;
  for (const urls of [
    [dead, alive],
    [alive, dead],
  ]) {
    const index = `${freshIndexPrefix()}messages`;
    await createIndex(index, { properties: { timestamp: { type: 'date' } } });
    const source = open({ urls, index });
    for (let i = 0; i < 4; i += 1) {
      expect((await source.inspect(never)).indices).toEqual([index]);
    }
  }
});
