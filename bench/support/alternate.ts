/**
 * Runs all sides in turn, round after round, after one round that doesn't count (compiled code, warm caches). Every other
 * round the other way round: the machine's speed drifts, and neither side shall be the one that always comes second.
 *
 * @returns each side's results, round by round
 */
export async function alternate<Side extends string, Result>(
  rounds: number,
  sides: Readonly<Record<Side, (round: number) => Promise<Result>>>,
  report: (line: string) => void = () => undefined,
): Promise<Record<Side, Result[]>> {
  const names = Object.keys(sides) as Side[];
  const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<
    Side,
    Result[]
  >;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const result = await sides[name](round);
      report(`${round === 0 ? 'warm-up' : `round ${round}`}: ${name} ${JSON.stringify(result)}`);
      if (round > 0) results[name].push(result);
    }
  }
  return results;
}
