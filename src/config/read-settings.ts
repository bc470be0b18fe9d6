import { restoreTlsDefaults } from '../host/tls-defaults.js';
import { needsEncryptedAws, requireEncryptedCredentials } from './credential-endpoints.js';
import { ignoredVariables } from './ignored-variables.js';
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
  // A copy: what is taken out of this process's environment is still to be warned of.
  const given = { ...request.env };
  restoreTlsDefaults();
  // Before and after: what is wrong with a secret of Secrets Manager is told, too.
  knowEnvironment(given);
  const env = await withSecrets(given);
  knowEnvironment(env);
  const loaded = loadSettings({ ...request, env });
  knowSecrets(secretsOf(loaded.settings));
  if (needsEncryptedAws(loaded.settings)) requireEncryptedCredentials(env);
  const warnings = [...loaded.warnings, ...ignoredVariables(env, loaded.settings)];
  return { ...loaded, warnings };
}
