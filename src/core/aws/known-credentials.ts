import { knowRenewed } from '../secrets/known.js';

/** What is needed of the middleware of a client; the SDK's own types know neither this context nor all clients in one. */
interface Stack {
  add(
    middleware: (
      next: (args: unknown) => Promise<unknown>,
      context: Chosen,
    ) => (args: unknown) => Promise<unknown>,
    options: { readonly step: 'build'; readonly name: string },
  ): void;
}

interface Chosen {
  readonly __smithy_context?: {
    readonly selectedHttpAuthScheme?: { readonly identity?: AwsCredentials };
  };
}

/** Of credentials, what is secret. */
export interface AwsCredentials {
  readonly secretAccessKey?: string;
  readonly sessionToken?: string | undefined;
}

/**
 * Has the credentials that a client signs with taken out of all text: whatever the chain finds them in (a profile, a role), a server
 * may repeat a token it was sent.
 */
export function hideCredentials(client: { readonly middlewareStack: unknown }): void {
  (client.middlewareStack as Stack).add(
    (next, context) => (args) => {
      const { identity } = context.__smithy_context?.selectedHttpAuthScheme ?? {};
      if (identity) hide(identity);
      return next(args);
    },
    { step: 'build', name: 'hideCredentials' },
  );
}

/** Has these taken out of all text, until eight other ones have taken their place. */
export function hide({ secretAccessKey, sessionToken }: AwsCredentials): void {
  knowRenewed([secretAccessKey, sessionToken]);
}
