import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Project } from '../support/project.js';

export interface Row extends RowDataPacket {
  message_id: Buffer;
  name: string;
  status: string;
  s3_path: string | null;
  batch_id: number;
  attempts: number;
  last_attempted: Date | null;
  start_date: string;
}

/** All rows of message_tracking with their index's name, read by a connection of our own. */
export async function trackingRows(project: Project): Promise<Row[]> {
  return query<Row>(
    project,
    `SELECT t.*, CAST(t.start_date AS CHAR) AS start_date, i.name FROM message_tracking t
     JOIN source_indices i USING (index_id)`,
  );
}

export async function query<T extends RowDataPacket>(project: Project, sql: string): Promise<T[]> {
  const { host, port, user, password, database } = project.database;
  const connection = await createConnection({
    host,
    port,
    user,
    password,
    database,
    timezone: 'Z',
  });
  try {
    const [rows] = await connection.query<T[]>(sql);
    return rows;
  } finally {
    await connection.end();
  }
}

/** What only a hand in the database can do. */
export async function change(project: Project, sql: string): Promise<void> {
  await query(project, sql);
}

/** Every object under the prefix but the marker, by key, as the file it lies in. */
export async function landedObjects(project: Project): Promise<Map<string, Buffer>> {
  const objects = new Map<string, Buffer>();
  for (const entry of await readdir(project.objects, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const key = relative(project.objects, path);
    if (key !== '_es-migrate.json') objects.set(key, await readFile(path));
  }
  return objects;
}

/** The documents of a batch's object, one a line. */
export function documentsOf(object: Buffer): string[] {
  const text = gunzipSync(object).toString('utf8');
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line of a batch has no end');
  return lines;
}
