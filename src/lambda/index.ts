/** es-migrate as three Lambda functions. */
export { extract } from './extract.js';
export { process } from './process.js';
export { retry, type Retried } from './retry.js';
export type { Context, ExtractEvent, SqsEvent, SqsResponse } from './event.js';
