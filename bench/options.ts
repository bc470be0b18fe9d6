import { parseArgs } from 'node:util';

/** What `npm run bench` was told. */
export interface Options {
  /** Benchmarks to run, by name; all of them where none was named. */
  readonly names: readonly string[];
  /** Rounds that count, after one that doesn't. */
  readonly rounds: number;
  /** Instead of a benchmark's own number of messages (or of ids, or of rows). */
  readonly messages: number | undefined;
  /** CPUs of Elasticsearch and of everything else, as `taskset -c` takes them. */
  readonly elasticsearchCores: string;
  readonly otherCores: string;
  /** The database's buffer pool, in MiB. */
  readonly bufferPool: number;
  /** Where V8's CPU profiles of our commands are to lie; none are made unless given. */
  readonly profile: string | undefined;
}

export const USAGE = `npm run bench -- [NAME…] [--rounds N] [--messages N] [--elasticsearch-cores LIST] [--cores LIST]
  [--buffer-pool MIB] [--profile DIR]
npm run bench -- report`;

/** @throws TypeError where an argument is unknown, RangeError where a number is none */
export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      messages: { type: 'string' },
      'elasticsearch-cores': { type: 'string', default: '0' },
      cores: { type: 'string', default: '1' },
      'buffer-pool': { type: 'string', default: '4096' },
      profile: { type: 'string' },
    },
  });
  return {
    names: positionals,
    rounds: count('rounds', values.rounds),
    messages: values.messages === undefined ? undefined : count('messages', values.messages),
    elasticsearchCores: values['elasticsearch-cores'],
    otherCores: values.cores,
    bufferPool: count('buffer-pool', values['buffer-pool']),
    profile: values.profile,
  };
}

function count(name: string, text: string): number {
  const number = Number(text.replaceAll('_', ''));
  if (!Number.isInteger(number) || number < 1)
    throw new RangeError(`--${name} ${text}: give a whole number from 1`);
  return number;
}
