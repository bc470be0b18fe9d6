import type { TargetSettings } from '../settings.js';
import type { FileUser, NameOwner, Observer } from './owned-name.js';
import type { ClaimedPrefix, Target } from './target.js';

/**
 * Opens the target the settings name; `claimPrefix` checks it. The adapter is loaded only now: a run that writes
 * files need not wait for the AWS SDK.
 *
 * @param host the process this runs in: a directory's temporary files carry its name, and belong to its user
 * @param known what another process of this command has seen when it claimed the prefix
 * @throws MigrateError `usage` where `caFile` cannot be read
 */
export async function openTarget(
  settings: TargetSettings,
  host: NameOwner & Observer & FileUser,
  known?: ClaimedPrefix,
): Promise<Target> {
  switch (settings.kind) {
    case 's3': {
      const { openS3Target } = await import('./s3-target.js');
      return openS3Target(settings, known);
    }
    case 'file': {
      const { openFileTarget } = await import('./file-target.js');
      return openFileTarget(settings, host);
    }
  }
}
