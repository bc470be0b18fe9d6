const NEW_LINE = 0x0a;

/** The first line that starts with these bytes, without its line end; other lines are not kept. */
export async function lineStartingWith(
  chunks: AsyncIterable<Buffer>,
  start: Buffer,
): Promise<Buffer | undefined> {
  let line: Buffer[] = [];
  const wanted = () => {
    const whole = Buffer.concat(line);
    return whole.subarray(0, start.length).equals(start) ? whole : undefined;
  };
  for await (const chunk of chunks) {
    let rest = chunk;
    for (let end = rest.indexOf(NEW_LINE); end >= 0; end = rest.indexOf(NEW_LINE)) {
      line.push(rest.subarray(0, end));
      const found = wanted();
      if (found) return found;
      line = [];
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) line.push(rest);
  }
  return wanted();
}
