const nothing = (): void => undefined;

/** For the SDK's clients: their default writes to the terminal. */
export const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };
