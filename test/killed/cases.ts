import type { Step } from '../../src/core/steps.js';
import {
  largeMessage,
  readersFail,
  repair,
  retryOfFailed,
  takeOver,
  uploadsFail,
  wholeJob,
  type Layout,
  type Scene,
} from './scenes.js';

export interface KillCase {
  readonly step: Step;
  readonly layout: Layout;
  /** The how-manieth time the step is reached. */
  readonly times: number;
  readonly scene: Scene;
}

interface Kills {
  readonly scene?: Scene;
  readonly message?: readonly number[];
  readonly batch?: readonly number[];
}

/**
 * Where processes are killed: at every step there is, at its first time and later ones, in the layouts in turn. 240
 * messages make 4 windows, about 16 pages and 12 batches.
 */
const KILLS: Readonly<Record<Step, Kills>> = {
  'job-inserted': { message: [1] },
  'job-created': { batch: [1] },
  'job-leased': { message: [1] },
  'windows-inserted': { batch: [1] },
  'windows-planned': { message: [1] },
  'window-opened': { batch: [3] },
  'page-read': { message: [1], batch: [6] },
  'page-inserted': { message: [5], batch: [1] },
  'page-stored': { message: [7] },
  'window-read': { message: [4] },
  'window-closed': { batch: [2] },
  'job-closed': { message: [1] },
  'job-released': { message: [1], scene: readersFail },
  'failed-moved': { message: [1], scene: retryOfFailed },
  'failed-requeued': { batch: [1], scene: retryOfFailed },
  'batch-taken': { message: [6] },
  'batch-claimed': { message: [1], batch: [5] },
  'messages-read': { message: [3] },
  'records-read': { batch: [4] },
  'document-staged': { message: [1], scene: largeMessage },
  'upload-begun': { message: [130], batch: [1] },
  'part-uploaded': { message: [2], batch: [1], scene: largeMessage },
  'object-uploaded': { message: [77], batch: [1] },
  'index-uploaded': { batch: [7] },
  'batch-uploaded': { batch: [1] },
  'predecessor-removed': { batch: [1], scene: takeOver },
  'counters-moved': { message: [1], batch: [4] },
  'rows-completed': { message: [7], batch: [1] },
  'batch-completed': { message: [1], batch: [12] },
  'batch-released': { message: [1], scene: uploadsFail },
  'verify-begun': { message: [1] },
  'verify-checkpoint': { batch: [1] },
  'repair-applied': { message: [1], batch: [1], scene: repair },
};

/** Of every run of the tests. */
export const KILL_CASES: readonly KillCase[] = casesOf(KILLS);

const ONCE = { message: [1], batch: [1] };
const WINDOWS = { message: [1, 2, 3, 4], batch: [1, 2, 3, 4] };
const PAGES = { message: [1, 2, 4, 8, 12], batch: [1, 2, 4, 8, 12] };
const BATCHES = { message: [1, 2, 6, 12], batch: [1, 2, 6, 12] };
/** Of messages, or of batches and their indices. */
const OBJECTS = { message: [1, 2, 50, 150, 240], batch: [1, 2, 12, 24] };

/** Everything, in both layouts. */
const ALL_KILLS: Readonly<Record<Step, Kills>> = {
  'job-inserted': ONCE,
  'job-created': ONCE,
  'job-leased': ONCE,
  'windows-inserted': ONCE,
  'windows-planned': ONCE,
  'window-opened': WINDOWS,
  'page-read': PAGES,
  'page-inserted': PAGES,
  'page-stored': PAGES,
  'window-read': WINDOWS,
  'window-closed': WINDOWS,
  'job-closed': ONCE,
  'job-released': { ...ONCE, scene: readersFail },
  'failed-moved': { ...ONCE, scene: retryOfFailed },
  'failed-requeued': { ...ONCE, scene: retryOfFailed },
  'batch-taken': BATCHES,
  'batch-claimed': BATCHES,
  'messages-read': BATCHES,
  'records-read': BATCHES,
  'document-staged': { ...ONCE, scene: largeMessage },
  'upload-begun': OBJECTS,
  'part-uploaded': { message: [1, 2], batch: [1, 2], scene: largeMessage },
  'object-uploaded': OBJECTS,
  'index-uploaded': { batch: BATCHES.batch },
  'batch-uploaded': { batch: BATCHES.batch },
  'predecessor-removed': { batch: [1], scene: takeOver },
  'counters-moved': BATCHES,
  'rows-completed': BATCHES,
  'batch-completed': BATCHES,
  'batch-released': { ...ONCE, scene: uploadsFail },
  'verify-begun': ONCE,
  'verify-checkpoint': ONCE,
  'repair-applied': { ...ONCE, scene: repair },
};

/** Of the long run. */
export const ALL_KILL_CASES: readonly KillCase[] = casesOf(ALL_KILLS);

function casesOf(kills: Readonly<Record<Step, Kills>>): KillCase[] {
  return Object.entries(kills).flatMap(([step, { scene = wholeJob, message = [], batch = [] }]) => [
    ...message.map((times) => ({ step: step as Step, layout: 'message' as const, times, scene })),
    ...batch.map((times) => ({ step: step as Step, layout: 'batch' as const, times, scene })),
  ]);
}
