import { format } from 'node:util';
import { serverText } from '../core/server-text.js';

/**
 * What libraries print by themselves goes to `say`, a message at a time: mysql2 writes what a server made it stumble over to stderr, in
 * the middle of a log of JSON lines, with the server's own words. Also warnings of Node and of libraries, such as that an SDK will
 * want a newer Node.
 */
export function takeLibraryOutput(say: (message: string) => void): void {
  const written = (...parts: unknown[]): void => say(serverText(format(...parts)));
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
    console[method] = written;
  process.removeAllListeners('warning').on('warning', ({ name, message }) => {
    say(serverText(`${name}: ${message}`));
  });
}
