import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { makeProject } from './project.js';
import { asAdministrator, type Sample, type World } from './world.js';

/** A file with a sample's ids in the order in which `extract` makes its batches: in hexadecimal, one a line, `most` of them. */
export async function idsInOrder(world: World, sample: Sample, most = Infinity): Promise<string> {
  const project = await makeProject(world, { sample, related: false });
  try {
    await project.extract();
    const file = join(world.servers.dir, 'ids');
    await asAdministrator(world.servers, async (connection) => {
      const out = createWriteStream(file);
      const [[last]] = await connection.query<RowDataPacket[]>(
        `SELECT MAX(batch_id) AS batch FROM ${project.database}.batch_progress`,
      );
      let written = 0;
      for (let batch = 1; batch <= Number(last?.['batch']) && written < most; batch += 100) {
        const [rows] = await connection.query<RowDataPacket[]>(
          `SELECT HEX(message_id) AS id FROM ${project.database}.message_tracking
           WHERE batch_id >= ? AND batch_id < ? ORDER BY batch_id`,
          [batch, batch + 100],
        );
        const part = rows.slice(0, most - written);
        written += part.length;
        out.write(part.map((row) => `${String(row['id'])}\n`).join(''));
      }
      out.end();
      await finished(out);
    });
    return file;
  } finally {
    await project.remove();
  }
}
