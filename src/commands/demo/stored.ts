import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { MysqlCoordinates, S3Coordinates } from '../../../sandbox/index.js';

/** Finds where a message was stored: its row's `s3_path`, as the file in which the S3 server keeps the object. */
export interface Stored {
  /** Path of the file; nothing where there is no row or it names no object. */
  fileOf(id: string): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Reads the tracking table by a connection of its own, past the product. */
export async function openStored(mysql: MysqlCoordinates, s3: S3Coordinates): Promise<Stored> {
  const { host, port, user, password, database } = mysql;
  const connection = await createConnection({ host, port, user, password, database });
  return {
    fileOf: async (id) => {
      const [rows] = await connection.query<(RowDataPacket & { s3_path: string })[]>(
        "SELECT s3_path FROM message_tracking WHERE message_id = ? AND status = 'completed'",
        [Buffer.from(id)],
      );
      const path = rows[0]?.s3_path;
      return path === undefined ? undefined : join(s3.dataDir, path.slice('s3://'.length));
    },
    close: () => connection.end(),
  };
}
