/**
 * Loaded before the binary (`node --import`): pages of 20 ids, or ES_MIGRATE_TEST_PAGE, and windows of five pages instead
 * of 10,000 and 250,000, so that a few hundred messages make an extraction of several windows, slices and pages.
 */
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url);

const page = Number(process.env.ES_MIGRATE_TEST_PAGE ?? 20);
const REPLACEMENTS = {
  'extract/plan.js': [['WINDOW_MESSAGES = 250_000', `WINDOW_MESSAGES = ${5 * page}`]],
  'extract/window.js': [['opened.expected <= 10_000', `opened.expected <= ${page}`]],
  'elasticsearch/source.js': [['BRIEF_PAGE_IDS : MAX_HITS', `${page} : ${page}`]],
};

/** A hook of Node's: gives a module's text. */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  const [, file] = /\/dist\/src\/core\/(.*)$/.exec(url) ?? [];
  const replacements = REPLACEMENTS[file];
  if (!replacements) return loaded;
  let source = String(loaded.source);
  for (const [from, to] of replacements) {
    if (!source.includes(from)) throw new Error(`small-pages.mjs: ${file} has no ${from}`);
    source = source.replace(from, to);
  }
  return { ...loaded, source };
}
