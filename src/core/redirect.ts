/** Of a name that DNS allows, with scheme and port. */
const LONGEST = 280;

/**
 * Where a redirect leads, for users: scheme, host and port. The rest of the URL may hold anything.
 *
 * @param location the header, as it was sent
 */
export function redirectTarget(location: string | undefined): string {
  if (location === undefined) return 'an unnamed place';
  return /^https?:\/\//i.test(location) && URL.canParse(location)
    ? new URL(location).origin.slice(0, LONGEST)
    : 'another path';
}
