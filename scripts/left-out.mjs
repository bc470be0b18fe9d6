/** What the packages we use bring along and a function never comes to. */
const NEVER_NEEDED = [
  // Elasticsearch's client reads ES|QL's answers by it.
  { filter: /^apache-arrow(\/|$)/, contents: '' },
  // zod's words in fifty languages; English has a path of its own.
  { filter: /\/locales\/index\.js$/, from: /\/zod\/v4\//, contents: '' },
  // Chinese, Japanese and Korean character sets of mysql2: connections are in UTF-8.
  {
    filter: /\/tables\/.*\.json$/,
    from: /\/iconv-lite\//,
    contents: 'throw new Error("left out")',
  },
];

/** Adapters that a function does not ask `connect` for. */
const NOT_ASKED_FOR = {
  extract: [/\/objects\/open-target\.js$/],
  process: [],
  retry: [/\/objects\/open-target\.js$/, /\/elasticsearch\/source\.js$/],
};

/** An esbuild plugin that puts nothing, or an error where that would be missed, in the place of modules. */
export function leaveOut(name) {
  const adapters = NOT_ASKED_FOR[name].map((filter) => ({
    filter,
    kind: 'dynamic-import',
    contents: `throw new Error("left out of the function ${name}")`,
  }));
  return {
    name: 'leave-out',
    setup(build) {
      [...NEVER_NEEDED, ...adapters].forEach(({ filter, from, kind, contents }, number) => {
        const namespace = `left-out-${number}`;
        build.onResolve({ filter }, ({ path, importer, kind: asked }) => {
          if (from && !from.test(importer)) return undefined;
          if (kind && asked !== kind) return undefined;
          return { path, namespace };
        });
        build.onLoad({ filter: /^/, namespace }, () => ({ contents, loader: 'js' }));
      });
    },
  };
}
