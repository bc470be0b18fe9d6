import { describe, it } from 'vitest';
import type { KillCase } from './cases.js';
import { killAndFinish, NO_DAMAGE } from './kill.js';
import { PATIENT } from '../faults/migration.js';
import { useTheatre } from './theatre.js';

/**
 * A test for each case: killed, started again and finished, everything is there exactly once.
 *
 * @param initConnect what a MySQL server of these tests' own makes of each session before it is ours
 */
export function describeKills(
  title: string,
  cases: readonly KillCase[],
  initConnect?: string,
): void {
  const theatre = useTheatre(initConnect);

  describe.concurrent(title, () => {
    it.for(cases)('at $step, time $times, layout $layout', PATIENT, async (kill, { expect }) => {
      const { killed, finished, damage, whole, leftovers } = await killAndFinish(theatre(), kill);
      // A step that is never reached would let the command end by itself.
      expect(killed.code, killed.stderr).toBe(128 + 9);
      expect(finished.code, finished.stderr).toBe(0);
      if (!kill.scene.damages) expect(damage).toEqual(NO_DAMAGE);
      expect(whole.wrong).toEqual([]);
      expect(whole.orphans).toEqual([]);
      expect(leftovers).toEqual([]);
    });
  });
}
