import { createServer, type AddressInfo } from 'node:net';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { withSecrets } from '../../src/config/secrets-manager.js';
import { awsEnvironment, freshSecret } from '../monitor/aws.js';
import { runBinary } from '../support/binary.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { until } from '../support/until.js';
import { indexed } from '../verify/support.js';

beforeEach(() => {
  const { accessKeyId, secretAccessKey } = sandbox().aws;
  const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  for (const [name, value] of Object.entries({ ...awsEnvironment(), ...credentials }))
    vi.stubEnv(name, value);
  return () => vi.unstubAllEnvs();
});

const failureOf = (arn: string): Promise<unknown> =>
  withSecrets({ ES_MIGRATE_SECRET_ARN: arn }).catch((error: unknown) => error);

test('variables of a secret stand in the environment, which counts more itself', async () => {
  const arn = await freshSecret('{"ES_MIGRATE_A":"secret a","ES_MIGRATE_B":"secret b"}');
  const env = { ES_MIGRATE_SECRET_ARN: arn, ES_MIGRATE_A: 'own', ES_MIGRATE_B: '', PATH: '/bin' };
  expect(await withSecrets(env)).toEqual({
    ES_MIGRATE_A: 'own',
    ES_MIGRATE_B: 'secret b',
    PATH: '/bin',
  });
  expect(await withSecrets({ PATH: '/bin' })).toEqual({ PATH: '/bin' });
});

test.each(['hunter2-hunter2', '{"password":"hunter2-hunter2"}', '{"ES_MIGRATE_A":17}', '[]', ''])(
  'what is no object of variables is refused, and not shown: %j',
  async (text) => {
    const error = await failureOf(await freshSecret(text === '' ? ' ' : text));
    expect(isMigrateError(error) && error.kind).toBe('usage');
    expect(String(error)).toContain('is not a JSON object of ES_MIGRATE_… variables');
    expect(String(error)).not.toContain('hunter2');
  },
);

test('a secret that is not there is named', async () => {
  const { region, accountId } = sandbox().aws;
  const arn = `arn:aws:secretsmanager:${region}:${accountId}:secret:absent-abcdef`;
  const error = await failureOf(arn);
  expect(isMigrateError(error) && error.kind).toBe('usage');
  expect(String(error)).toContain(`there is no secret ${arn}`);
});

test('a server that does not answer is no mistake of the user’s', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await until(() => silent.listening);
  const { port } = silent.address() as AddressInfo;
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  const error = await failureOf('some-secret');
  expect(isMigrateError(error) && error.kind).toBe('unavailable');
});

test('a command takes its password from there', async () => {
  const { project } = await indexed({ ids: ids(5) });
  const { ES_MIGRATE_TRACKING_PASSWORD = '', ...env } = project.env;
  const secret = await freshSecret(JSON.stringify({ ES_MIGRATE_TRACKING_PASSWORD }));
  const args = ['run', '--from', '2024-10-01', '--to', '2024-10-01'];
  const { code, stderr } = await runBinary(args, {
    cwd: project.cwd,
    env: { ...env, ...awsEnvironment(), ES_MIGRATE_SECRET_ARN: secret },
  });
  expect(code, stderr).toBe(0);
});
