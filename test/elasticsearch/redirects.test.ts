import { expect, onTestFinished, test, vi } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { proxyTo } from '../objects/proxy.js';
import { allowOldTls, freshCertificate, OLD_TLS } from '../support/certificates.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { createIndex, never, open, rejection } from './support.js';

const auth = { username: 'reader', password: 'Tr0ub4dor&3' };

/** Two servers: the first sends everybody to the second, once `away` is set. */
async function redirecting(status: number, path = '') {
  const second = await proxyTo(sandbox().elasticsearch.url);
  const state = { away: true };
  const location = `${second.endpoint}${path}`;
  const first = await proxyTo(sandbox().elasticsearch.url, {
    answer: () => (state.away ? { status, headers: { location } } : undefined),
  });
  return { first, second, state };
}

test.each([301, 302, 303, 307, 308])(
  'a redirect (%i) carries no credentials away',
  async (status) => {
    const { first, second } = await redirecting(status, '/x?secret');
    const error = await rejection(
      open({ urls: [first.endpoint], auth, index: 'messages' }).inspect(never),
    );
    expect(error).toMatchObject({
      kind: 'usage',
      message: `what answers at ${first.endpoint} redirects (${status}) to ${second.endpoint}; es-migrate follows no redirects`,
      advice: expect.stringMatching(/^Correct source\.url\./) as string,
    });
    expect(second.requests).toEqual([]);
  },
);

test('one that comes later is tried again, and has no document go missing', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, { properties: { timestamp: { type: 'date' } } });
  const { first, second, state } = await redirecting(302);
  state.away = false;
  const source = open({ urls: [first.endpoint], auth, index });
  expect((await source.inspect(never)).indices).toEqual([index]);
  state.away = true;
  const again = source.inspect(never);
  const before = first.requests.length;
  await expect.poll(() => first.requests.length).toBeGreaterThan(before);
  state.away = false;
  expect((await again).indices).toEqual([index]);
  expect(second.requests).toEqual([]);
});

test('credentials do not go unencrypted to another machine', () => {
  const { port } = new URL(sandbox().elasticsearch.url);
  const urls = [`http://0.0.0.0:${port}`];
  expect(() => open({ urls, auth, index: 'messages' })).toThrow(/sent unencrypted to 0\.0\.0\.0/);
});

test('NODE_TLS_REJECT_UNAUTHORIZED=0 does not switch the check off', async () => {
  const { cert, key } = await freshCertificate();
  const { endpoint, requests } = await proxyTo(sandbox().elasticsearch.url, { tls: { cert, key } });
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  onTestFinished(() => void vi.unstubAllEnvs());
  const error = await rejection(open({ urls: [endpoint], index: 'messages' }).inspect(never));
  expect(isMigrateError(error) && error.kind).toBe('usage');
  expect(requests).toEqual([]);
});

test('where TLS was expected and did not come, the advice is not to go without', async () => {
  const { endpoint, requests } = await proxyTo(sandbox().elasticsearch.url);
  const urls = [endpoint.replace('http:', 'https:')];
  const error = await rejection(open({ urls, auth, index: 'messages' }).inspect(never));
  expect(error).toMatchObject({
    kind: 'usage',
    advice: expect.stringMatching(
      /somebody in between.*ask its administrator to enable TLS/,
    ) as string,
  });
  expect((error as { advice: string }).advice).not.toMatch(/http:|insecure|off/);
  expect(requests).toEqual([]);
});

test('nothing older than TLS 1.2 is spoken, whatever the options of Node say', async () => {
  const { cert, key, caFile } = await freshCertificate();
  allowOldTls();
  const { endpoint, requests } = await proxyTo(sandbox().elasticsearch.url, {
    tls: { cert, key, ...OLD_TLS },
  });
  const source = open({ urls: [endpoint], caFile, index: 'messages' });
  expect(await rejection(source.inspect(never))).toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(`${endpoint} has no TLS 1.2 or later`) as string,
  });
  expect(requests).toEqual([]);
});
