import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { childrenOf } from '../processes/support.js';
import { awsEnvironment, freshLogGroup, freshSecret, freshTopic } from '../monitor/aws.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary, startBinary } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { startHttpProxy, type HttpProxy, type Seen } from '../support/proxies/http-proxy.js';
import { listen } from '../support/proxies/listener.js';
import { errorOf, greeting, PacketReader } from '../support/proxies/mysql/packets.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { until } from '../support/until.js';
import { indexed } from '../verify/support.js';
import { query } from './landed.js';

/** A character of each kind that somebody escapes, behind letters that only base64 hides. */
const SPECIAL = `'"\\$%@:/ é&<>+!`;
const secretOf = (place: string) => `Qz7${place}Kx9${SPECIAL}`;
const SECRETS = {
  source: secretOf('source'),
  apiKey: secretOf('apikey'),
  tracking: secretOf('tracking'),
  aws: secretOf('aws'),
  // Sent as a header, in which AWS's own signature takes ASCII alone.
  token: secretOf('token').replace('é', ''),
  proxy: secretOf('proxy'),
};

/** Whether any secret stands in a text, in any form: their letters stay what they are in each of them but base64. */
function expectNone(said: string, what: string): void {
  expect(said, what).not.toMatch(/Qz7|Kx9/);
  for (const run of said.match(/[\w+/-]{8,}/g) ?? [])
    for (const from of [0, 1, 2, 3])
      expect(Buffer.from(run.slice(from), 'base64').toString('latin1'), what).not.toMatch(
        /Qz7[a-z]+Kx9/,
      );
}

/** What the command at hand was given, all of which its servers repeat; each test names its own. */
let given: readonly string[] = [];

/** What a server or a proxy that repeats what it was sent may make of it. */
function echo({ headers }: Seen): string {
  const { authorization = '' } = headers;
  const decoded = Buffer.from(authorization.replace(/^\w+ /, ''), 'base64').toString('utf8');
  const known = [...given, authorization, decoded, headers['x-amz-security-token']].join(' | ');
  return [known, encodeURIComponent(known), new URLSearchParams({ known }).toString()].join(' ');
}

const JSON_TYPE = { 'content-type': 'application/json' };
const asJson = (status: number) => (seen: Seen) => {
  const cause = { type: `x_${given[0] ?? ''}`, reason: echo(seen) };
  const body = JSON.stringify({ error: { root_cause: [cause], ...cause }, status });
  return { do: 'answer' as const, status, headers: JSON_TYPE, body };
};
const asPage = (status: number) => (seen: Seen) => {
  const body = `<html>${echo(seen).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</html>`;
  return { do: 'answer' as const, status, headers: { 'content-type': 'text/html' }, body };
};
const asXml = (status: number, code: string) => (seen: Seen) => {
  const escaped = echo(seen).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const body = `<Error><Code>${code}</Code><Message>${escaped}</Message></Error>`;
  return { do: 'answer' as const, status, headers: { 'content-type': 'application/xml' }, body };
};

const USER = 'hides_its_password';
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];
const QUICK = { retryFor: 0 };
let project: Project;
let elasticsearch: HttpProxy;
let s3: HttpProxy;
let admin: Awaited<ReturnType<typeof createConnection>>;
let account: string;

beforeAll(async () => {
  ({ project } = await indexed({ ids: ids(12), batchSize: 4 }));
  elasticsearch = await startHttpProxy(sandbox().elasticsearch.url);
  s3 = await startHttpProxy(sandbox().s3.endpoint);
  const { host, port, user, password, database } = project.database;
  admin = await createConnection({ host, port, user, password });
  account = `${USER}_${database.slice(-8)}`;
  await admin.query(`CREATE USER ?@'%' IDENTIFIED BY ?`, [account, SECRETS.tracking]);
  await admin.query(`GRANT ALL ON ${database}.* TO ?@'%'`, [account]);
});

afterAll(async () => {
  await admin.query(`DROP USER IF EXISTS ?@'%'`, [account]);
  await admin.end();
  await Promise.all([elasticsearch.close(), s3.close()]);
});

beforeEach(() => {
  given = [SECRETS.source, SECRETS.tracking, SECRETS.proxy];
  elasticsearch.use(() => undefined);
  s3.use(() => undefined);
});

/** Credentials of each kind, none of them on the command line. */
function environment(more: Record<string, string> = {}): Record<string, string> {
  return {
    ...project.env,
    ...awsEnvironment(),
    ES_MIGRATE_TRACKING_PASSWORD: SECRETS.tracking,
    ES_MIGRATE_SOURCE_USERNAME: 'reader',
    ES_MIGRATE_SOURCE_PASSWORD: SECRETS.source,
    // Of what else may stand in an environment.
    HTTPS_PROXY: `http://someone:${encodeURIComponent(SECRETS.proxy)}@127.0.0.1:1`,
    NO_PROXY: '127.0.0.1,localhost',
    ...more,
  };
}

async function configure(changes: Record<string, unknown> = {}) {
  const { host, port, database } = project.database;
  const { source = {}, tracking = {}, target = {}, ...others } = changes;
  await project.configure({
    batchSize: 4,
    ...QUICK,
    source: { related: {}, url: elasticsearch.url, ...(source as object) },
    tracking: { url: `mysql://${account}@${host}:${port}/${database}`, ...(tracking as object) },
    target: { endpoint: s3.url, ...(target as object) },
    ...others,
  });
}

/** Runs a command that is to fail, and looks through all that it says. */
async function failing(args: readonly string[], env: Record<string, string>, code: number) {
  const ended = await runBinary([...args, '--verbose', '--json'], { cwd: project.cwd, env });
  expect(ended.code, ended.stderr).toBe(code);
  expectNone(ended.stderr, 'stderr');
  expectNone(ended.stdout, 'stdout');
  // It is not silence that hides them.
  expect(ended.stderr).toMatch(/es-migrate: .{20}/);
  return ended;
}

const EXTRACT = ['extract', ...RANGE, '--dry-run'];

describe('what Elasticsearch repeats', () => {
  const key = { ES_MIGRATE_SOURCE_USERNAME: '', ES_MIGRATE_SOURCE_PASSWORD: '' };
  test.each<
    [string, Record<string, string>, (seen: Seen) => ReturnType<ReturnType<typeof asJson>>, number]
  >([
    ['a password, in JSON', {}, asJson(400), 2],
    ['a password, in a page of HTML', {}, asPage(502), 5],
    ['an API key, in JSON', { ...key, ES_MIGRATE_SOURCE_API_KEY: SECRETS.apiKey }, asJson(403), 2],
    ['a password of the URL', { ...key, ES_MIGRATE_SOURCE_URL: '' }, asJson(500), 5],
  ])('%s', async (_, more, answer, code) => {
    if ('ES_MIGRATE_SOURCE_API_KEY' in more) given = [SECRETS.apiKey];
    elasticsearch.use(answer);
    const url = elasticsearch.url.replace('//', `//reader:${encodeURIComponent(SECRETS.source)}@`);
    await configure('ES_MIGRATE_SOURCE_URL' in more ? { source: { url } } : {});
    const { stderr } = await failing(EXTRACT, environment(more), code);
    expect(stderr).toContain('[secret]');
  });

  test('or what cannot be reached, or speaks no TLS', async () => {
    await configure({ source: { url: elasticsearch.url.replace('http:', 'https:') } });
    await failing(EXTRACT, environment(), 2);
    await configure({ source: { url: 'http://127.0.0.1:1' } });
    await failing(EXTRACT, environment(), 5);
  });
});

describe('what MySQL repeats', () => {
  test('of a login', async () => {
    const server = createServer((socket) => {
      const link = new PacketReader(socket);
      link.send(0, greeting(1));
      const said = `Access denied for ${SECRETS.tracking}, ${encodeURIComponent(SECRETS.tracking)}`;
      link.next().then(
        () => {
          link.send(2, errorOf({ number: 1045, message: said }));
          socket.end();
        },
        () => undefined,
      );
    });
    const { port } = await listen(server);
    onTestFinished(() => void server.close());
    await configure({ tracking: { url: `mysql://${account}@127.0.0.1:${port}/d` } });
    const { stderr } = await failing(['status'], environment(), 2);
    expect(stderr).toContain('[secret]');
  });

  test('and a password of the URL that is wrong', async () => {
    const { host, port, database } = project.database;
    const wrong = encodeURIComponent(`${SECRETS.tracking}?`);
    await configure({
      tracking: { url: `mysql://${account}:${wrong}@${host}:${port}/${database}` },
    });
    const { stderr } = await failing(
      ['status'],
      environment({ ES_MIGRATE_TRACKING_PASSWORD: '' }),
      2,
    );
    expect(stderr).toContain('Access denied');
  });
});

test('what S3 repeats of a secret key and a session token', async () => {
  given = [SECRETS.aws, SECRETS.token];
  s3.use(asXml(403, 'InvalidToken'));
  await configure();
  const env = environment({
    AWS_SECRET_ACCESS_KEY: SECRETS.aws,
    AWS_SESSION_TOKEN: SECRETS.token,
  });
  await failing(['run', ...RANGE], env, 2);
  s3.use(asXml(400, 'Odd'));
  await failing(['run', ...RANGE], env, 2);
});

test('what is wrong with a secret of Secrets Manager', async () => {
  await configure();
  const arn = await freshSecret(
    JSON.stringify({
      ES_MIGRATE_TRACKING_PASWORD: SECRETS.tracking,
      ES_MIGRATE_SOURCE_URL: `htp://u:${SECRETS.source}@h`,
    }),
  );
  const env = environment({ ES_MIGRATE_SECRET_ARN: arn, ...sandboxAccount() });
  const { stderr } = await failing(['status'], env, 2);
  expect(stderr).toMatch(/ES_MIGRATE_TRACKING_PASWORD: unknown variable.*\n.*source\.url: /);
});

function sandboxAccount(): Record<string, string> {
  const { accessKeyId, secretAccessKey } = sandbox().aws;
  return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
}

/** Everything in the tracking database, bytes as text. */
async function allTables(): Promise<string> {
  const tables = await query<RowDataPacket>(project, 'SHOW TABLES');
  const rows = await Promise.all(
    tables.map((table) => query(project, `SELECT * FROM \`${String(Object.values(table)[0])}\``)),
  );
  const bytes = (_: string, value: unknown) =>
    value !== null && typeof value === 'object' && 'type' in value && value.type === 'Buffer'
      ? Buffer.from((value as unknown as { data: number[] }).data).toString('utf8')
      : value;
  return JSON.stringify(rows, bytes);
}

test('what is refused in the middle of the work: not in tables, logs, alerts, nor in the list of processes', async () => {
  sandboxCredentials();
  const [topic, group] = [await freshTopic(), await freshLogGroup()];
  const monitor = { alertTopic: topic.arn, alertFailureRate: '1%', logGroup: group.name };
  await configure({ monitor, retryFor: '60s' });
  const options = { cwd: project.cwd, env: environment() };
  expect(await runBinary(['extract', ...RANGE], options)).toMatchObject({ code: 0 });
  // Refused again and again, and repeated in each warning, until the workers have been seen.
  elasticsearch.use((seen) => (seen.url.includes('_search') ? asJson(429)(seen) : undefined));
  s3.use((seen) =>
    seen.method === 'PUT' && seen.url.includes('messages/')
      ? asXml(400, 'InvalidArgument')(seen)
      : undefined,
  );
  const running = startBinary(['process', '--processes', '2', '--verbose'], options);
  await until(async () => (await childrenOf(running)).length === 2, 'two workers');
  await running.shows(/429/);
  for (const pid of [running.child.pid ?? 0, ...(await childrenOf(running))])
    expectNone(await readFile(`/proc/${pid}/cmdline`, 'utf8'), 'the list of processes');
  elasticsearch.use(() => undefined);
  const { code, stdout, stderr } = await running.ended;
  expect(code, stderr).toBe(3);
  expectNone(stderr, 'stderr');
  expectNone(stdout, 'stdout');
  const tables = await allTables();
  expectNone(tables, 'tables');
  expect(tables).toMatch(/upload_failed.*\[secret\]/);
  const lines = JSON.stringify(await group.lines());
  expectNone(lines, 'log group');
  expect(lines).toContain('[secret]');
  const [alert] = await topic.published();
  expect(alert?.Message).toContain('upload_failed');
  expectNone(JSON.stringify(alert), 'alert');

  // A row of another version, or of another password, is not shown as it is.
  await admin.query(`UPDATE ${project.database.database}.message_errors SET detail = ?`, [
    `said ${SECRETS.tracking}`,
  ]);
  for (const flags of [[], ['--json']]) {
    const errors = await runBinary(['errors', ...flags], options);
    expect(errors.code, errors.stderr).toBe(0);
    expect(errors.stdout).toContain('said [secret]');
    expectNone(`${errors.stdout}${errors.stderr}`, 'errors');
  }
});
