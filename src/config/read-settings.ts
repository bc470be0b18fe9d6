import { loadSettings, type Loaded, type LoadRequest } from './load.js';
import { secretsOf } from './secrets.js';
import { withSecrets } from './secrets-manager.js';

/**
 * Reads the settings, also from where the environment only says where they are.
 *
 * @returns beside them every secret this process knows now, which nobody may be shown
 * @throws MigrateError `usage`, `unavailable`
 */
export async function readSettings(
  request: LoadRequest,
): Promise<Loaded & { readonly secrets: readonly string[] }> {
  const env = await withSecrets(request.env);
  const loaded = loadSettings({ ...request, env });
  const ofAws = [env['AWS_SECRET_ACCESS_KEY'] ?? '', env['AWS_SESSION_TOKEN'] ?? ''];
  return { ...loaded, secrets: [...secretsOf(loaded.settings), ...ofAws] };
}
