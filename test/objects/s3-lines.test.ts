import { beforeEach, describe, expect, test, vi } from 'vitest';
import { allowOldTls, freshCertificate, OLD_TLS } from '../support/certificates.js';
import { sandbox } from '../support/sandbox.js';
import { never } from './contents.js';
import { proxyTo } from './proxy.js';
import { body, fault, open, sandboxCredentials, usageError } from './s3.js';

beforeEach(sandboxCredentials);

const owner = { databaseId: '6d1f2bd8-6a9b-4f0e-9f5c-1c3b0f4f7a10' };

describe('a redirect', () => {
  test.each([301, 302, 303, 307, 308])('(%i) carries no signed request away', async (status) => {
    const second = await proxyTo(sandbox().s3.endpoint);
    const headers = { location: `${second.endpoint}/elsewhere?x=y` };
    const { endpoint } = await proxyTo(sandbox().s3.endpoint, {
      answer: () => ({ status, headers }),
    });
    const target = await open({ endpoint });
    for (const request of [
      () => target.claimPrefix(owner, never),
      async () => target.put('a.json', await body('x'), never),
      () => target.get(target.urlOf('a.json'), never),
    ]) {
      const { message } = await usageError(request());
      expect(message).toContain(`a redirect to ${second.endpoint}, and none are followed`);
    }
    expect(second.requests).toEqual([]);
  });

  test('that comes later is tried again', async () => {
    const state = { away: false };
    const headers = { location: 'https://maintenance.example/' };
    const { endpoint } = await proxyTo(sandbox().s3.endpoint, {
      answer: () => (state.away ? { status: 302, headers } : undefined),
    });
    const target = await open({ endpoint });
    await target.claimPrefix(owner, never);
    state.away = true;
    expect((await fault(target.put('a.json', await body('x'), never))).class).toBe('retriable');
  });
});

describe('http:// to another machine', () => {
  const elsewhere = () => sandbox().s3.endpoint.replace('127.0.0.1', '0.0.0.0');

  test.each(['its setting', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'])(
    'is refused before anything is sent, by %s',
    async (by) => {
      if (by.startsWith('AWS')) vi.stubEnv(by, elsewhere());
      const { region, bucket } = sandbox().s3;
      const target = await open(
        by.startsWith('AWS')
          ? { region, bucket, endpoint: undefined as never }
          : { endpoint: elsewhere() },
      );
      for (const request of [
        () => target.claimPrefix(owner, never),
        async () => target.put('a.json', await body('x'), never),
      ])
        expect((await usageError(request())).message).toMatch(
          /the address of S3 is http:\/\/ and leads to another machine, 0\.0\.0\.0/,
        );
    },
  );

  test('is used where that is written', async () => {
    const target = await open({ endpoint: elsewhere(), insecure: true });
    await target.claimPrefix(owner, never);
    await target.put('a.json', await body('x'), never);
  });
});

test('NODE_TLS_REJECT_UNAUTHORIZED=0 does not switch the check off', async () => {
  const { cert, key } = await freshCertificate();
  const proxy = await proxyTo(sandbox().s3.endpoint, { tls: { cert, key } });
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const target = await open({ endpoint: proxy.endpoint });
  await usageError(target.claimPrefix(owner, never));
  await usageError(body('x').then((one) => target.put('a.json', one, never)));
  expect(proxy.requests).toEqual([]);
});

test('proxies of the environment are not used', async () => {
  const proxy = await proxyTo(sandbox().s3.endpoint);
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
  for (const name of names.flatMap((one) => [one, one.toLowerCase()]))
    vi.stubEnv(name, proxy.endpoint);
  vi.stubEnv('NODE_USE_ENV_PROXY', '1');
  const target = await open();
  await target.claimPrefix(owner, never);
  await target.put('a.json', await body('x'), never);
  expect(proxy.requests).toEqual([]);
});

test('nothing older than TLS 1.2 is spoken, whatever the options of Node say', async () => {
  const { cert, key, caFile } = await freshCertificate();
  allowOldTls();
  const { endpoint, requests } = await proxyTo(sandbox().s3.endpoint, {
    tls: { cert, key, ...OLD_TLS },
  });
  const target = await open({ endpoint, caFile });
  for (const request of [
    () => target.claimPrefix(owner, never),
    async () => target.put('a.json', await body('x'), never),
  ])
    expect((await usageError(request())).message).toMatch(/^The TLS connection to S3 failed/);
  expect(requests).toEqual([]);
});
