import { setMaxListeners } from 'node:events';

/**
 * Aborted as soon as one of these is. Hundreds of requests may listen to one run's signal, which is no leak: Node's
 * warning is switched off for it.
 */
export function anySignal(...signals: AbortSignal[]): AbortSignal {
  const any = AbortSignal.any(signals);
  setMaxListeners(0, any);
  return any;
}
