/**
 * Loaded before the binary (`node --import`): windows of 100 messages and pages of 20 ids instead of 250,000 and 10,000,
 * so that a few hundred messages make an extraction of several windows, slices and pages.
 */
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url);

const REPLACEMENTS = {
  'extract/plan.js': [['WINDOW_MESSAGES = 250_000', 'WINDOW_MESSAGES = 100']],
  'extract/window.js': [['opened.expected <= 10_000', 'opened.expected <= 20']],
  'elasticsearch/pit.js': [
    ['String(MAX_HITS)', 'String(20)'],
    ['hits.length < MAX_HITS', 'hits.length < 20'],
  ],
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
