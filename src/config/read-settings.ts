import { loadSettings, type Loaded, type LoadRequest } from './load.js';
import { knowSecrets } from '../core/secrets/known.js';
import { secretsOf } from '../core/secrets/of-settings.js';
import { knowEnvironment } from './secrets.js';
import { withSecrets } from './secrets-manager.js';

/**
 * Reads the settings, also from where the environment only says where they are. From here on their secrets are taken out of all text.
 *
 * @throws MigrateError `usage`, `unavailable`
 */
export async function readSettings(request: LoadRequest): Promise<Loaded> {
  // Before and after: what is wrong with a secret of Secrets Manager is told, too.
  knowEnvironment(request.env);
  const env = await withSecrets(request.env);
  knowEnvironment(env);
  const loaded = loadSettings({ ...request, env });
  knowSecrets(secretsOf(loaded.settings));
  return loaded;
}
