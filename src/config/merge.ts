import type { Layer } from './layer.js';
import type { Config, KeyPath } from './schema.js';

/** All layers as one configuration; of a key that several have, the last counts. */
export function mergeLayers(layers: readonly Layer[]): Config {
  return layers.map((layer) => layer.config).reduce(overlay, {});
}

/** Where the value that counts for a key was written; undefined where no layer has it. */
export function origin(layers: readonly Layer[], key: KeyPath): string | undefined {
  return layers.findLast((layer) => has(layer.config, key))?.where(key);
}

function overlay(lower: Config, upper: Config): Config {
  const tls = tlsOf(lower.tracking?.tls, upper.tracking?.tls);
  const encryption = both(lower.target?.encryption, upper.target?.encryption);
  const queue = both(lower.queue, upper.queue);
  const monitor = both(lower.monitor, upper.monitor);
  return {
    ...lower,
    ...upper,
    source: { ...lower.source, ...upper.source },
    tracking: { ...lower.tracking, ...upper.tracking, ...(tls && { tls }) },
    target: { ...lower.target, ...upper.target, ...(encryption && { encryption }) },
    limits: { ...lower.limits, ...upper.limits },
    ...(queue && { queue }),
    ...(monitor && { monitor }),
  };
}

type Tls = NonNullable<Config['tracking']>['tls'];

/** A word and keys are two ways to set the same: the upper one counts. */
function tlsOf(lower: Tls, upper: Tls): Tls {
  return lower?.mode === 'off' || upper?.mode === 'off' ? (upper ?? lower) : both(lower, upper);
}

function both<T extends object>(lower: T | undefined, upper: T | undefined): T | undefined {
  return lower && upper ? { ...lower, ...upper } : (upper ?? lower);
}

/** True where `value` has something at the end of the path. */
export function has(value: unknown, [key, ...rest]: KeyPath): boolean {
  if (key === undefined) return value !== undefined;
  return (
    typeof value === 'object' &&
    value !== null &&
    has((value as Record<string, unknown>)[key], rest)
  );
}
