import { Command, Option } from 'commander';
import type { AcceptFlags } from './accept.js';
import { healthAddress, jobOrLast, milliseconds, processes, wholeNumber } from './arguments.js';
import type { CommandContext, Globals, ProgramHooks } from './context.js';
import { exitStatus, type Verdict } from './exit-codes.js';
import type { ErrorsFlags } from './errors.js';
import type { ProcessOnlyFlags } from './process-report.js';
import type { RangeFlags } from './range-options.js';
import type { ResetStuckFlags } from './reset-stuck.js';
import type { RetryFlags } from './retry.js';
import type { RunFlags } from './run.js';
import type { StatusFlags } from './status.js';
import { share } from './verify-arguments.js';
import { VERIFY_LEVELS, type VerifyOnlyFlags } from './verify-flags.js';

/** What a command's file exports. */
type Handler<Flags> = (flags: Flags, context: CommandContext) => Promise<Verdict>;

/** Declares every command: its flags, an example, its exit codes, and where its code is. */
export function addCommands(
  program: Command,
  { contextOf, ended }: ProgramHooks,
  strict: (command: Command) => Command,
): void {
  const declare = (
    parent: Command,
    name: string,
    summary: string,
    example: string,
    codes: readonly number[],
  ) =>
    strict(parent.command(name))
      .description(summary)
      .addHelpText(
        'after',
        [
          '',
          'Example:',
          ...example.split('\n').map((line) => `  $ ${line}`),
          '',
          exitStatus(codes),
        ].join('\n'),
      );
  const runs = <Flags>(command: Command, load: () => Promise<Handler<Flags>>): void => {
    command.action(async () => {
      const [id] = command.args;
      const all = command.optsWithGlobals<Flags & Globals>();
      const handler = await load();
      ended(await handler({ ...all, ...(id !== undefined && { id }) }, contextOf(all)));
    });
  };

  const extract = declare(
    program,
    'extract',
    'Stores the ids of all messages of a range in MySQL, in batches; goes on with what an earlier run left unfinished.',
    'es-migrate extract --from 2024-10-01 --to 2024-10-31\nes-migrate extract          # from where the last job ended',
    [0, 1, 2, 3, 4, 5, 130],
  );
  rangeFlags(extract);
  runs<RangeFlags>(extract, async () => (await import('./extract.js')).extract);

  const process = declare(
    program,
    'process',
    'Claims batches until none is left, and writes their messages with all related records to the target.',
    'es-migrate process --concurrency 8\nes-migrate extract && es-migrate process --job last\nes-migrate process --processes auto\nes-migrate process --watch --max-runtime 2h\nes-migrate process --queue --watch',
    [0, 1, 2, 3, 4, 5, 130],
  );
  processFlags(process);
  process
    .option('--job <n>', 'only this job; last: the one that was extracted last', jobOrLast)
    .option('--queue', 'take the batches that messages of the queue (queue.url) name');
  runs<ProcessOnlyFlags>(process, async () => (await import('./process.js')).process);

  const run = declare(
    program,
    'run',
    'Extracts and processes the messages of a range until nothing has attempts left, then verifies them; waits for what others hold; run again, it goes on where it stopped.',
    'es-migrate run --from 2024-10-01 --to 2024-10-31',
    [0, 1, 2, 3, 4, 5, 130],
  );
  rangeFlags(run);
  processFlags(run);
  verifyFlags(run);
  run.option('--allow-empty', 'exit 0 where no message lies in the range, instead of 3');
  runs<RunFlags>(run, async () => (await import('./run.js')).run);

  const verify = declare(
    program,
    'verify',
    'Proves that nothing is missing: compares Elasticsearch, MySQL and the target, both ways.',
    'es-migrate verify --level content --sample 1%\nes-migrate verify --repair; es-migrate process',
    [0, 1, 2, 3, 4, 5, 130],
  );
  verifyFlags(verify);
  verify
    .option('--job <n>', 'only this job', wholeNumber(1))
    .option('--repair', 'put back what is missing or damaged, and remove our own orphans')
    .option('--restart', 'begin anew where an earlier verification stopped half-way');
  runs<VerifyOnlyFlags>(verify, async () => (await import('./verify.js')).verify);

  const retry = declare(
    program,
    'retry',
    'Puts failed messages that have attempts left back to pending, and prints why they had failed.',
    'es-migrate retry\nes-migrate retry --error missing --dry-run\nes-migrate retry --id 8f14e45f',
    [0, 1, 2, 3, 5, 130],
  )
    .option('--job <n>', 'only messages of this job', wholeNumber(1))
    .option(
      '--error <code>',
      'only messages that failed with this code, permanent and accepted ones included',
    )
    .option(
      '--id <id>',
      'only the message of this id, permanent, accepted, without attempts left or not',
    )
    .option('--force', 'also messages without attempts left, permanent failures and accepted ones')
    .option(
      '--other-joins',
      'nothing but completed messages whose related records were found by other joins than those configured now',
    )
    .option('--dry-run', 'only show what would be requeued');
  runs<RetryFlags>(retry, async () => (await import('./retry.js')).retry);

  const accept = declare(
    program,
    'accept',
    'Settles failed messages that cannot be had, or a window that cannot be read: they stay failed, are listed apart, and no longer make exit code 3.',
    "es-migrate accept --error missing --dry-run\nes-migrate accept --error missing --reason 'deleted on request, ticket 4711'\nes-migrate accept --job 3 --window 7 --reason 'its shard is lost'",
    [0, 1, 2, 5, 130],
  )
    .option('--job <n>', 'only messages of this job', wholeNumber(1))
    .option('--window <n>', 'this window of the job, which could not be read whole', wholeNumber(1))
    .option(
      '--error <code>',
      'messages that are failed with this code now; not those that fail later',
    )
    .option('--id <id>', 'the message of this id')
    .option('--reason <text>', 'why it is settled; kept with user, host and time')
    .option('--dry-run', 'only show what would be accepted, by code');
  runs<AcceptFlags>(accept, async () => (await import('./accept.js')).accept);

  const resetStuck = declare(
    program,
    'reset-stuck',
    'Makes batches and extractions whose lease has run out, or whose process is gone, claimable again; never touches a live lease.',
    'es-migrate reset-stuck --older-than 15m --dry-run',
    [0, 1, 2, 5, 130],
  )
    .option('--older-than <duration>', 'only leases that ran out that long ago', milliseconds, 0)
    .option('--dry-run', 'only show what would be reset');
  runs<ResetStuckFlags>(resetStuck, async () => (await import('./reset-stuck.js')).resetStuck);

  const status = declare(
    program,
    'status',
    'Shows jobs, messages, batches, what is stuck, the rate and the time left.',
    'es-migrate status --watch\nes-migrate status --json | jq .messages.failed',
    [0, 1, 2, 5, 130],
  )
    .option('--job <n>', 'only this job', wholeNumber(1))
    .option('--watch', 'show it again every 2 seconds, until stopped');
  runs<StatusFlags>(status, async () => (await import('./status.js')).status);

  const errors = declare(
    program,
    'errors',
    'Lists what failed: by code, then message by message.',
    'es-migrate errors --job 3 --limit 20',
    [0, 1, 2, 5, 130],
  )
    .option('--job <n>', 'only messages of this job', wholeNumber(1))
    .option('--limit <n>', 'how many messages to list', wholeNumber(0), 100);
  runs<ErrorsFlags>(errors, async () => (await import('./errors.js')).errors);

  const get = declare(
    program,
    'get',
    'Writes one migrated document to stdout, byte for byte, from where its row says it lies under target.url. On a terminal, characters that would act on it are escaped.',
    'es-migrate get 8f14e45f > message.json\nes-migrate get -- -id-that-begins-with-a-dash',
    [0, 1, 2, 3, 5, 130],
  )
    .argument('<id>', "the message's id")
    .option('--index <name>', 'the index it is in, for ids that occur in several')
    .option('--anywhere', 'read it also where its row says that it lies outside target.url');
  runs<{ id: string; index?: string; anywhere?: boolean }>(
    get,
    async () => (await import('./get.js')).get,
  );

  const db = strict(program.command('db')).description('Looks after the tracking database.');
  const migrate = declare(
    db,
    'migrate',
    'Brings the tracking tables up to date; the first command that needs it does so, too.',
    'es-migrate db migrate',
    [0, 1, 2, 5, 130],
  );
  runs<object>(migrate, async () => (await import('./db-migrate.js')).migrateDatabase);

  const demo = declare(
    program,
    'demo',
    'Does the whole job on throw-away real servers with generated messages; needs no configuration.',
    'es-migrate demo --messages 2000',
    [0, 1, 2, 3, 5, 130],
  )
    .option('--messages <n>', 'how many messages to generate', wholeNumber(1), 2000)
    .option('--keep', 'keep the servers up afterwards, until stopped', false);
  runs<{ messages: number; keep: boolean }>(demo, async () => (await import('./demo.js')).demo);
}

/** How related records are joined with messages: what a stranger gets wrong first. */
const JOINS = [
  '',
  'Related records, in source.related.NAME of the configuration:',
  '  { index: history, key: message_id }                       records hold the _id of their message',
  '  { index: history, key: message_id, on: message_id }       they hold the value of a field of it',
  '  { index: history, key: [tenant, id], on: [tenant, _id] }  all of these must be equal',
  "  { index: { 'messages-(.*)': 'history-$1' }, key: id }     each index of messages has its own",
].join('\n');

function rangeFlags(command: Command): void {
  command.addHelpText('after', JOINS);
  command
    .option(
      '--from <when>',
      'first day or instant, inclusive (default: where the last job ended, else startDate)',
    )
    .option(
      '--to <when>',
      'last day, inclusive, or an instant, exclusive (default: now minus settle)',
    )
    .option('--timezone <zone>', 'zone of dates and times that name none', 'UTC')
    .option('--filter <file>', 'JSON file with a query that messages have to match, too')
    .option('--batch-size <n>', 'messages per batch, 1 to 10,000 (default: 500)')
    .option('--slices <n>', 'parallel readers', wholeNumber(1, 64), 2)
    .option(
      '--allow-replaced-index',
      'also messages tracked under an index that was replaced by one of another name: each is migrated twice then',
    )
    .option('--dry-run', 'only count, try the joins on a sample, and show the range');
}

function processFlags(command: Command): void {
  command
    .option('--concurrency <n>', 'batches in flight per process (default: 4)')
    .option(
      '--processes <n>',
      'worker processes that share the limits; auto: as many as there are cores (default: 1)',
      processes,
    )
    .option('--max-batches <n>', 'end after that many batches', wholeNumber(1))
    .option(
      '--max-runtime <duration>',
      'claim nothing new after that time, such as 2h',
      milliseconds,
    )
    .option('--watch', 'wait for work instead of ending when none is left')
    .option('--no-retry-failed', 'leave failed messages as they are')
    .option(
      '--health-port <port>',
      'answer /live, /ready and /metrics (Prometheus) there; on all addresses: 0.0.0.0:9464',
      healthAddress,
    );
}

function verifyFlags(command: Command): void {
  command
    .addOption(
      new Option(
        '--level <level>',
        'counts: how many there are; objects: each object and its row; content: also the bytes, read again',
      )
        .choices(VERIFY_LEVELS)
        .default('objects'),
    )
    .option(
      '--sample <share>',
      'share of the batches whose content is compared, such as 1% or 0.01 (default: all)',
      share,
    )
    .option('--combined <file>', 'write a line for everything looked at: = same, + - * ! not');
}
