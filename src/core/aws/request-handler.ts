import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { tlsOptions, type TlsOptions } from '../tls.js';

const nothing = (): void => undefined;

/** For the SDK's clients: their default writes to the terminal. */
export const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** As many as the SDK's own agents have. */
const SOCKETS = 50;

/** Agents of an SDK's client; those that the SDK makes leave TLS to Node's defaults, which the environment changes. */
export function agents(tls: TlsOptions, maxSockets = SOCKETS) {
  const sockets = { keepAlive: true, maxSockets };
  return { httpAgent: new HttpAgent(sockets), httpsAgent: new HttpsAgent({ ...sockets, ...tls }) };
}

/** How the SDK's clients are told to wait no longer than so many milliseconds, for a connection or for an answer. */
export function impatient(timeoutMs: number, insecure = false) {
  return {
    ...agents(tlsOptions({ insecure })),
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    // Else it would only be logged.
    throwOnRequestTimeout: true,
    logger: SILENT,
  };
}
