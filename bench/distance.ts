import { alternate } from './support/alternate.js';
import type { Finding, Outcome } from './support/finding.js';
import { startPeer } from './support/server.js';
import { runProcess } from './support/whole-run.js';
import type { World } from './support/world.js';

const MESSAGES = 100_000;
/** What one process is to make with the farthest of them. */
const LEAST_FAR_AWAY = 1_600;

/** `process` in layout message to an S3 that answers after 0, 20 and 50 ms: in the same rounds, against its own rate at 0 ms. */
export async function s3AtADistance(world: World): Promise<Outcome> {
  const { options, report } = world;
  const messages = options.messages ?? MESSAGES;
  const sample = await world.sample(messages, 'none');
  const [at0, at20, at50] = await Promise.all(
    [0, 20, 50].map((ms) => startPeer('null-s3', [String(ms)])),
  );
  try {
    const rateTo = async (s3: typeof at0) => {
      const s3Endpoint = s3?.url ?? '';
      const project = { sample, related: false, layout: 'message' as const, s3Endpoint };
      return messages / (await runProcess(world, project)).seconds;
    };
    const rates = await alternate(
      options.rounds,
      { near: () => rateTo(at0), middle: () => rateTo(at20), far: () => rateTo(at50) },
      report,
    );
    const finding = (ms: number, ours: number[]): Finding => ({
      what: `process, layout message, S3 after ${ms} ms`,
      unit: 'messages/s',
      ours,
      peer: { name: 'the same after 0 ms', values: rates.near },
      goal: { of: 'ratio', bound: 'at least', value: 0.9 },
    });
    return {
      findings: [
        {
          what: 'process, layout message, S3 after 0 ms',
          unit: 'messages/s',
          ours: rates.near,
        },
        finding(20, rates.middle),
        finding(50, rates.far),
        {
          what: 'process, layout message, S3 after 50 ms',
          unit: 'messages/s',
          ours: rates.far,
          goal: { of: 'ours', bound: 'at least', value: LEAST_FAR_AWAY },
        },
      ],
      notes: [
        `${messages} messages without related records, one process, start-up taken off. The S3 is a process of ours on the same CPU that drops what it gets and answers each request after so many milliseconds.`,
      ],
    };
  } finally {
    await Promise.all([at0, at20, at50].map(async (s3) => s3?.stop()));
  }
}
