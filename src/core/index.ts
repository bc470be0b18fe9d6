/** es-migrate as a library: the operations behind the commands, and the types they take and give. */
export { connect, migrateDatabase, type Connections } from './connect.js';
export { MigrateError, isMigrateError, usage, type ErrorKind } from './errors.js';
export { extract } from './extract/extract.js';
export { describeNoMessages } from './extract/survey.js';
export { describeInterval } from './extract/describe.js';
export { resolveBound } from './extract/range.js';
export type * from './extract/types.js';
export { getDocument, type FoundDocument } from './get/get-document.js';
export { migrateRange, type RangeOutcome } from './migrate-range.js';
export type { RangeJobs } from './range/jobs.js';
export { Breakage } from './process/breakage.js';
export { namedJobs } from './process/named-jobs.js';
export { carryDeliveries, processBatches } from './process/process.js';
export type { Delivery } from './queue/queue.js';
export {
  isPermanent,
  PERMANENT_CODES,
  RETRIABLE_CODES,
  type FailureCode,
} from './process/failures.js';
export type * from './process/types.js';
export { accept } from './recover/accept.js';
export { resetStuck } from './recover/reset-stuck.js';
export { retry } from './recover/retry.js';
export type * from './recover/types.js';
export * from './run.js';
export type * from './settings.js';
export { errors } from './status/errors.js';
export { status } from './status/status.js';
export type * from './status/types.js';
export { verify } from './verify/verify.js';
export type * from './verify/types.js';
export { verifiedJobs, type VerifiedJob } from './verify/scope.js';
