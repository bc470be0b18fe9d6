import { setTimeout as sleep } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import type { LambdaContainer } from '../../sandbox/lambda/container.js';
import type { LambdaFunction } from '../../sandbox/lambda/function.js';
import { change, query } from '../end-to-end/landed.js';
import type { Project } from '../support/project.js';

export interface Poison {
  /** Processes it has cost so far. */
  readonly kills: number;
  /** Rejects where it went wrong. */
  readonly ended: Promise<void>;
  /** From here on the batch is like any other. */
  stop(): Promise<void>;
}

/**
 * Makes a batch deadly: whoever carries it is killed before it can complete it. The database itself holds its completion up, so
 * that nobody is faster.
 */
export async function poison(
  project: Project,
  batchId: number,
  carriers: LambdaFunction,
): Promise<Poison> {
  await change(
    project,
    `CREATE TRIGGER poison BEFORE UPDATE ON batch_progress FOR EACH ROW
     IF NEW.batch_id = ${batchId} AND NEW.status = 'completed' THEN DO SLEEP(3); END IF`,
  );
  const victims = new Set<LambdaContainer>();
  const stop = new AbortController();
  const watch = async () => {
    while (!stop.signal.aborted) {
      const [held] = await query<RowDataPacket & { lease_owner: string }>(
        project,
        `SELECT lease_owner FROM batch_progress WHERE batch_id = ${batchId} AND status = 'in_progress'`,
      );
      // Host and process: see ownerOf.
      const pid = Number(held?.lease_owner.split(':').at(-1));
      const victim = carriers.busy.find((container) => container.pid === pid);
      // That it is gone is seen later.
      if (victim && !victims.has(victim)) {
        victim.kill();
        victims.add(victim);
      }
      await sleep(100);
    }
  };
  const watching = watch();
  watching.catch(() => stop.abort());
  return {
    get kills() {
      return victims.size;
    },
    ended: watching,
    stop: async () => {
      stop.abort();
      await watching;
      await change(project, 'DROP TRIGGER IF EXISTS poison');
    },
  };
}
