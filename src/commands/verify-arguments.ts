import { InvalidArgumentError } from 'commander';

/** Reads a flag's share of something, `all`, `5%` or `0.05`: above 0 to 1. */
export function share(text: string): number {
  if (text === 'all') return 1;
  const [, figure, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text) ?? [];
  const value = figure === undefined ? NaN : Number(figure) / (percent === '%' ? 100 : 1);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('Give all, a percentage such as 1%, or a share such as 0.01.');
}
