import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { readSettings } from '../../src/config/read-settings.js';
import { rejection } from '../objects/contents.js';
import { proxyTo } from '../objects/proxy.js';
import { sandboxCredentials } from '../objects/s3.js';
import { sandbox } from '../support/sandbox.js';
import { MINIMAL, workspace } from './workspace.js';

beforeEach(sandboxCredentials);

const needs = { source: true, target: true };
const user = { uid: process.getuid?.(), sudoUid: undefined };
const read = (env: Record<string, string>, yaml = MINIMAL) =>
  readSettings({ cwd: workspace({ 'es-migrate.yaml': yaml }), env, flags: {}, needs, user });

test.each([
  ...['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_STS', 'AWS_ENDPOINT_URL_SSO'],
  'AWS_ENDPOINT_URL_SSO_OIDC',
])('%s may not lead credentials away unencrypted', async (name) => {
  const env = { [name]: 'http://aws.example:4566' };
  expect(await rejection(read(env))).toMatchObject({
    kind: 'usage',
    message: `${name} is http:// and leads to another machine, aws.example: credentials would be sent unencrypted`,
  });
  await read({ [name]: 'https://aws.example' });
  await read({ [name]: 'http://127.0.0.1:4566' });
  await read({ ...env, ES_MIGRATE_TARGET_INSECURE: 'true' });
  // Nothing of AWS is used.
  await read(env, MINIMAL.replace('s3://bucket/prefix', 'file:///srv/export'));
});

test('a token for STS does not go unencrypted to another machine to read a secret', async () => {
  const { endpoint, requests } = await proxyTo(sandbox().s3.endpoint, {
    answer: () => ({ status: 400, body: '' }),
  });
  const folder = workspace();
  writeFileSync(join(folder, 'token'), 'the-token-of-a-role');
  const sts = endpoint.replace('127.0.0.1', '0.0.0.0');
  const environment = {
    ...{ AWS_ENDPOINT_URL_STS: sts, AWS_REGION: 'eu-west-1' },
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/r',
    AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
  };
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const secret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:s';
  const error = await rejection(read({ ...environment, ES_MIGRATE_SECRET_ARN: secret }));
  expect(requests).toEqual([]);
  expect(error).toMatchObject({ kind: 'usage' });
});
