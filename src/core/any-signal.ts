import { setMaxListeners } from 'node:events';

/** For what is to be finished even where the run is to stop: it is short. */
export const NEVER: AbortSignal = never();

/**
 * Aborted as soon as one of these is. Hundreds of requests may listen to one run's signal, which is no leak: Node's
 * warning is switched off for it.
 */
export function anySignal(...signals: AbortSignal[]): AbortSignal {
  const any = AbortSignal.any(signals);
  setMaxListeners(0, any);
  return any;
}

/**
 * The same for work that is short beside the signals it listens to: `unlink` lets go of them. (AbortSignal.any keeps
 * some 190 bytes with its longest-lived source for ever, on Node 20, which `--watch` would feel.)
 */
export function linkSignals(...signals: AbortSignal[]): {
  signal: AbortSignal;
  unlink: () => void;
} {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const unlink = () => {
    for (const signal of signals) signal.removeEventListener('abort', onAbort);
  };
  const onAbort = () => {
    controller.abort(signals.find(({ aborted }) => aborted)?.reason);
    unlink();
  };
  for (const signal of signals) signal.addEventListener('abort', onAbort);
  if (signals.some(({ aborted }) => aborted)) onAbort();
  return { signal: controller.signal, unlink };
}

function never(): AbortSignal {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  return signal;
}
