import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { inject } from 'vitest';
import type { Coordinates, MysqlCoordinates, S3Coordinates } from '../../sandbox/index.js';
// Tells the compiler what is provided.
import './global-setup.js';

/** The servers of this test run. Shared by all test files: put what you make under a fresh name. */
export function sandbox(): Coordinates {
  return inject('sandbox');
}

const freshName = () => randomBytes(6).toString('hex');

export interface FreshDatabase extends MysqlCoordinates {
  drop(): Promise<void>;
}

/** An empty database of this test's own. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const { mysql } = sandbox();
  const database = `test_${freshName()}`;
  await asAdministrator(mysql, `CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  return {
    ...mysql,
    database,
    url: `mysql://${mysql.user}@${mysql.host}:${mysql.port}/${database}`,
    drop: () => asAdministrator(mysql, `DROP DATABASE IF EXISTS ${database}`),
  };
}

/** Start of index names that no other test uses; ends in a dash. */
export function freshIndexPrefix(): string {
  return `test-${freshName()}-`;
}

/** Key prefix inside the shared bucket that no other test uses; without slashes. */
export function freshPrefix(): string {
  return `test-${freshName()}`;
}

export interface FreshBucket extends S3Coordinates {
  /** Where its objects lie as files. */
  readonly directory: string;
}

/** An empty bucket of this test's own. */
export async function freshBucket(): Promise<FreshBucket> {
  const { s3 } = sandbox();
  const bucket = `test-${freshName()}`;
  const directory = join(s3.dataDir, bucket);
  // To the server a directory is a bucket.
  await mkdir(directory);
  return { ...s3, bucket, directory };
}

async function asAdministrator(mysql: MysqlCoordinates, statement: string): Promise<void> {
  const { host, port, user, password } = mysql;
  const connection = await createConnection({ host, port, user, password });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}
