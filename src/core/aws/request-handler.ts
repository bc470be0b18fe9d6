const nothing = (): void => undefined;

/** For the SDK's clients: their default writes to the terminal. */
export const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** How the SDK's clients are told to wait no longer than so many milliseconds, for a connection or for an answer. */
export function impatient(timeoutMs: number) {
  return {
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    // Else it would only be logged.
    throwOnRequestTimeout: true,
    logger: SILENT,
  };
}
