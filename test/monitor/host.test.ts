import { createServer, type AddressInfo } from 'node:net';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { until } from '../support/until.js';
import { extractNow, indexed, type Migrated } from '../verify/support.js';
import { awsEnvironment, freshLogGroup, freshNamespace, freshTopic } from './aws.js';

beforeEach(sandboxCredentials);

const COUNT = 120;

/** Messages whose ids are extracted; those in `gone` are deleted then, and so they fail. */
async function withMonitor(
  monitor: Record<string, unknown>,
  { gone = 0 }: { gone?: number } = {},
): Promise<Migrated> {
  const made = await indexed({ ids: ids(COUNT), settings: { monitor } });
  await extractNow(made.project);
  for (const id of made.ids.slice(0, gone)) {
    const { url } = sandbox().elasticsearch;
    const address = `${url}/${made.index}/_doc/${encodeURIComponent(id)}?refresh=true`;
    expect((await fetch(address, { method: 'DELETE' })).status).toBe(200);
  }
  return made;
}

function processed({ project: { cwd, env } }: Migrated, ...flags: string[]) {
  return runBinary(['process', ...flags], { cwd, env: { ...env, ...awsEnvironment() } });
}

test('metrics of a run stand in CloudWatch at its end', async () => {
  const namespace = freshNamespace();
  const made = await withMonitor({ metricsNamespace: namespace.name }, { gone: 3 });
  const { code, stderr } = await processed(made);
  expect(code, stderr).toBe(3);
  expect(await namespace.statistics('MessagesCompleted')).toMatchObject({ Sum: COUNT - 3 });
  expect(await namespace.statistics('MessagesFailed')).toMatchObject({ Sum: 3 });
  const batches = COUNT / 20;
  expect(await namespace.statistics('BatchesCompleted')).toMatchObject({ Sum: batches });
  expect(await namespace.statistics('BatchDuration')).toMatchObject({ SampleCount: batches });
  expect((await namespace.statistics('SourceLatency'))?.SampleCount).toBeGreaterThan(batches);
  expect((await namespace.statistics('UploadedBytes'))?.Sum).toBeGreaterThan(100 * COUNT);
  expect(await namespace.statistics('Backlog')).toMatchObject({ Sum: 0 });
  expect(await namespace.statistics('MessagesStandingFailed')).toMatchObject({ Sum: 3 });
});

test('those of worker processes, too', async () => {
  const namespace = freshNamespace();
  const made = await withMonitor({ metricsNamespace: namespace.name });
  const { code, stderr } = await processed(made, '--processes', '2');
  expect(code, stderr).toBe(0);
  expect(await namespace.statistics('MessagesCompleted')).toMatchObject({ Sum: COUNT });
  expect(await namespace.statistics('BatchDuration')).toMatchObject({ SampleCount: COUNT / 20 });
});

test('log lines go to CloudWatch Logs, in a stream of the run’s own, and show no secret', async () => {
  const group = await freshLogGroup();
  const made = await withMonitor({ logGroup: group.name });
  const { code, stderr } = await processed(made);
  expect(code, stderr).toBe(0);
  const lines = await group.lines();
  expect(lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/120 of 120/));
  expect(JSON.stringify(lines)).not.toContain(made.project.database.password);
  expect(await group.streams()).toHaveLength(1);
});

test('what ends a run stands in its log, too', async () => {
  const group = await freshLogGroup();
  const made = await withMonitor({ logGroup: group.name });
  await made.project.configure({
    batchSize: 20,
    source: { related: {}, index: `${made.index}-absent` },
    monitor: { logGroup: group.name },
  });
  expect((await processed(made)).code).toBe(2);
  expect(await group.lines()).toContainEqual(
    expect.objectContaining({ level: 50, msg: expect.stringContaining('absent') as string }),
  );
});

test('an alert goes to SNS when more messages fail than may, with the reasons and what to do', async () => {
  const topic = await freshTopic();
  const made = await withMonitor({ alertTopic: topic.arn, alertFailureRate: '10%' }, { gone: 30 });
  const { code, stderr } = await processed(made);
  expect(code, stderr).toBe(3);
  const [alert, ...others] = await topic.published();
  expect(others).toEqual([]);
  expect(alert?.Subject).toMatch(/^es-migrate: \d+ % of the messages fail$/);
  expect(alert?.Message).toMatch(/missing: \d+/);
  expect(alert?.Message).toContain('es-migrate errors');
});

test('of several processes one sends the alert', async () => {
  const topic = await freshTopic();
  const made = await withMonitor({ alertTopic: topic.arn }, { gone: 60 });
  await Promise.all([processed(made, '--max-batches', '3'), processed(made, '--max-batches', '3')]);
  await processed(made);
  expect(await topic.published()).toHaveLength(1);
});

test('few failures are no alert', async () => {
  const topic = await freshTopic();
  const made = await withMonitor({ alertTopic: topic.arn, alertFailureRate: 0.1 }, { gone: 5 });
  expect((await processed(made)).code).toBe(3);
  expect(await topic.published()).toEqual([]);
});

/** Takes connections, and never answers. */
async function silence(): Promise<string> {
  const silent = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await until(() => silent.listening);
  return `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
}

test.each([
  ['refuses connections', () => Promise.resolve('http://127.0.0.1:1')],
  ['takes connections and says nothing', silence],
])(
  'where what %s is all there is the run goes on to its end, and says so once',
  async (_, open) => {
    const made = await withMonitor(
      {
        metricsNamespace: 'es-migrate',
        logGroup: '/es-migrate',
        alertTopic: 'arn:aws:sns:us-east-1:123456789012:alerts',
      },
      { gone: 60 },
    );
    const { cwd, env } = made.project;
    const url = await open();
    const nowhere = Object.fromEntries(
      Object.entries(awsEnvironment()).map(([name, value]) => [
        name,
        name.startsWith('AWS_ENDPOINT') ? url : value,
      ]),
    );
    const { code, stderr } = await runBinary(['process'], { cwd, env: { ...env, ...nowhere } });
    expect(code).toBe(3);
    for (const what of ['metrics are not sent', 'log lines are not sent', 'the alert is not sent'])
      expect(stderr.split(what), stderr).toHaveLength(2);
  },
);

test('who only looks is not watched', async () => {
  const group = await freshLogGroup();
  const { project } = await withMonitor({ logGroup: group.name });
  const env = { ...project.env, ...awsEnvironment() };
  expect((await runBinary(['status'], { cwd: project.cwd, env })).code).toBe(0);
  expect(await group.streams()).toEqual([]);
});

test('a log group that is not there is named', async () => {
  const made = await withMonitor({ logGroup: '/not/there' });
  const { code, stderr } = await processed(made);
  expect(code).toBe(0);
  expect(stderr).toContain('the log group /not/there does not exist');
});
