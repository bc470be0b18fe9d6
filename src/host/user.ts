import type { User } from '../config/found-file.js';

/** Who runs this process. */
export function currentUser(env: Readonly<Record<string, string | undefined>>): User {
  const uid = process.getuid?.();
  const called = Number(env['SUDO_UID'] ?? NaN);
  // Anybody can set the variable, but only root may go by it.
  const sudoUid = uid === 0 && Number.isInteger(called) ? called : undefined;
  return { uid, sudoUid };
}
