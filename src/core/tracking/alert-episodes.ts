import type { Database } from './database.js';

/**
 * Says that an episode lasts, for the next `seconds`, by the database's clock.
 *
 * @param token 32 hexadecimal digits, the process's own
 * @returns whether it is this process that began it: the one that tells people
 */
export async function continueEpisode(
  database: Database,
  name: string,
  token: string,
  seconds: number,
): Promise<boolean> {
  // In this order: what is assigned first still sees when the row expires.
  await database.change(
    `INSERT INTO alert_episodes (name, token, expires_at) VALUES (?, ?, NOW(6) + INTERVAL ? SECOND)
     ON DUPLICATE KEY UPDATE token = IF(expires_at < NOW(6), VALUES(token), token), expires_at = VALUES(expires_at)`,
    [name, token, seconds],
  );
  const [row] = await database.rows<{ token: string }>(
    'SELECT token FROM alert_episodes WHERE name = ?',
    [name],
  );
  return row?.token === token;
}
