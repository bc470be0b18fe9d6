import { isMigrateError, MigrateError } from '../../core/errors.js';
import { Fault, isFault } from '../../core/fault.js';
import { serverText } from '../../core/server-text.js';

/** An error as plain data: what is sent between processes keeps no class. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a MigrateError. */
  readonly user?: Pick<MigrateError, 'kind' | 'advice'>;
  /** Of a Fault. */
  readonly fault?: Pick<Fault, 'server' | 'class' | 'code'>;
  readonly cause?: PlainError;
}

export function toPlain(thrown: unknown): PlainError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { name, message, stack, cause } = error;
  return {
    name,
    message,
    stack,
    ...(isMigrateError(error) && { user: { kind: error.kind, advice: error.advice } }),
    ...(isFault(error) && {
      // Without secrets, as the message is: of renewed credentials the other process does not know.
      fault: { server: error.server, class: error.class, code: serverText(error.code) },
    }),
    ...(cause instanceof Error && { cause: toPlain(cause) }),
  };
}

/** The same error again, as far as exit codes and words for the user depend on it. */
export function fromPlain({ name, message, stack, user, fault, cause }: PlainError): Error {
  const options = cause && { cause: fromPlain(cause) };
  const error = user
    ? new MigrateError(user.kind, message.split('\n'), {
        ...options,
        ...(user.advice !== undefined && { advice: user.advice }),
      })
    : fault
      ? new Fault(fault.server, fault.class, fault.code, message, options)
      : Object.assign(new Error(message, options), { name });
  if (stack !== undefined) error.stack = stack;
  return error;
}
