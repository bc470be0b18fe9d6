import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface KnownError {
  readonly number: number;
  readonly name: string;
}

/** MySQL's errors as the driver lists them (8.0): the file is not exported by name. */
function ofDriver(): KnownError[] {
  const require = createRequire(import.meta.url);
  const file = join(dirname(require.resolve('mysql2')), 'lib/constants/errors.js');
  const constants = require(file) as Record<string, number | string>;
  return Object.entries(constants).flatMap(([name, number]) =>
    typeof number === 'number' ? [{ name, number }] : [],
  );
}

/** Lines of `NUMBER NAME`. */
function ofFile(file: string): KnownError[] {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [number, name = ''] = line.split(' ');
      return { number: Number(number), name };
    });
}

/** What the driver lists, what MySQL 9.7 and MariaDB 11.8 have beyond it, and MySQL's own client library. */
export const LISTS: Readonly<Record<string, readonly KnownError[]>> = {
  driver: ofDriver(),
  'MySQL 9.7': ofFile('mysql-9.7.txt'),
  'MariaDB 11.8': ofFile('mariadb-11.8.txt'),
  'client library': ofFile('clients-9.7.txt'),
};
