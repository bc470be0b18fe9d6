import { beforeEach, expect, test } from 'vitest';
import { parseBody } from '../../src/core/queue/message.js';
import { change, query } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { batches, extractToQueue, finished, killedBehind, queued, workUntil } from './support.js';

beforeEach(sandboxCredentials);

/** Everything that the tracking database says of messages and batches. */
async function rows(project: Project): Promise<unknown> {
  const all = (table: string) => query<never>(project, `SELECT * FROM ${table}`);
  return [
    await all('job_runs'),
    await all('batch_progress'),
    await all('message_tracking'),
    await all('message_errors'),
  ];
}

const deep = '['.repeat(60_000) + ']'.repeat(60_000);

test('forged messages change no row, and lie among the dead letters with the reason', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  const [body] = await queue.drain();
  const real = JSON.parse(body?.Body ?? '') as { database: string; job: number };
  const before = await rows(project);
  const forged = (changes: object) => JSON.stringify({ ...real, ...changes });
  const bodies = [
    'DROP TABLE message_tracking',
    'null',
    deep,
    `{"esMigrate":${deep}}`,
    `{"esMigrate":1,"database":${deep}}`,
    'x'.repeat(200_000),
    '{"__proto__":{"esMigrate":1},"constructor":1}',
    forged({ database: 'another' }),
    forged({ database: 'x'.repeat(200_000) }),
    forged({ batch: '1 OR 1=1' }),
    forged({ batch: -1 }),
    forged({ batch: 1.5 }),
    forged({ job: 1e300 }),
    forged({ job: null }),
  ];
  // These name no batch there is: it may have been put into others, so they are only let go.
  const missing = [
    forged({ batch: Number.MAX_SAFE_INTEGER, attempt: Number.MAX_SAFE_INTEGER }),
    forged({ job: Number.MAX_SAFE_INTEGER }),
    forged({ job: real.job + 1, excused: true }),
  ];
  for (const one of [...bodies, ...missing]) await queue.put(one);
  const dead: unknown[] = [];
  await workUntil(project, async () => {
    dead.push(...(await queue.drain(queue.deadLettersUrl)));
    const { waiting } = await queue.counts();
    return dead.length >= bodies.length && waiting === 0;
  });
  expect(dead).toHaveLength(bodies.length);
  for (const one of dead)
    expect(one).toMatchObject({
      MessageAttributes: { reason: { StringValue: expect.stringMatching(/./) as string } },
    });
  expect(await rows(project)).toEqual(before);
});

test('a body of any depth is read without a call for each level', () => {
  const endless = '['.repeat(1_000_000) + ']'.repeat(1_000_000);
  for (const part of ['esMigrate', 'database', 'job', 'batch'])
    expect(parseBody(`{"esMigrate":1,"${part}":${endless}}`)).toHaveProperty('wrong');
});

test('forged excuses keep no batch alive that kills whoever processes it', async () => {
  const { project, queue } = await queued({ ids: ids(5), maxReceives: 3 });
  await extractToQueue(project);
  const [body] = await queue.drain();
  const real = JSON.parse(body?.Body ?? '') as object;
  await queue.put(JSON.stringify(real));
  await killedBehind('batch-claimed 1', project);
  await change(
    project,
    'UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND, claims = 20, tries = 1',
  );
  await queue.drain();
  await queue.put(JSON.stringify({ ...real, attempt: 21, excused: true }));
  const outcome = await workUntil(project, finished(project));
  expect(outcome).toMatchObject({ completed: 0, failed: 5 });
  expect(await batches(project)).toMatchObject([{ status: 'failed', claims: 20 }]);
});
