import type { Outcome } from './support/finding.js';
import type { World } from './support/world.js';

export type Benchmark = (world: World) => Promise<Outcome>;

/** Every benchmark by its name, in the order of the report; its file is loaded when it is run. */
export const BENCHMARKS: Readonly<Record<string, () => Promise<Benchmark>>> = {
  process: async () => (await import('./process.js')).processBatch,
  extract: async () => (await import('./extract.js')).extractIds,
  'messages-only': async () => (await import('./messages-only.js')).messagesOnly,
  related: async () => (await import('./related.js')).relatedIndices,
  original: async () => (await import('./original.js')).originalDesign,
  objects: async () => (await import('./objects.js')).singleObjects,
  distance: async () => (await import('./distance.js')).s3AtADistance,
  memory: async () => (await import('./memory.js')).memory,
  tracking: async () => (await import('./tracking.js')).trackingTables,
  processes: async () => (await import('./processes.js')).severalProcesses,
  'start-up': async () => (await import('./start-up.js')).startUp,
  beside: async () => (await import('./beside.js')).besideOthers,
  inserts: async () => (await import('./inserts.js')).inserts,
  uploads: async () => (await import('./uploads.js')).uploads,
  growth: async () => (await import('./growth.js')).growth,
};
