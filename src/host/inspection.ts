/**
 * Keeps this process's secrets to itself; imported before anything else.
 *
 * SIGUSR1 makes Node open its debugger, without a password, to every user of the host: an operator who sends it by mistake, as to `dd`,
 * hands over what is in memory. A listener prevents it. Node's diagnostic reports hold the environment, and every user may read them;
 * the signal that asks for one would end a process that writes none.
 */
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
Object.assign(process.report, {
  reportOnSignal: false,
  reportOnFatalError: false,
  reportOnUncaughtException: false,
});
