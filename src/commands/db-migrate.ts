import { withSettings, type CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';

/** `es-migrate db migrate`. */
export async function migrateDatabase(_flags: object, context: CommandContext): Promise<Verdict> {
  return withSettings(
    context,
    { needs: { source: false, target: false } },
    async ({ settings, run }) => {
      const core = await import('../core/index.js');
      const { applied, version } = await core.migrateDatabase(settings, run);
      const did = applied.length === 0 ? 'nothing to apply' : `applied ${applied.join(', ')}`;
      printResult(context, { applied, version }, [`${did}; the schema's version is ${version}`]);
      return done;
    },
  );
}
