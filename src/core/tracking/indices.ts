import type { Database } from './database.js';

/** Numbers for index names: a row of message_tracking holds four bytes instead of a name. */
export class IndexNames {
  readonly #database: Database;
  readonly #ids = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** What tells the numbers of these indices; those that have none are given one. */
  async numbersOf(names: Iterable<string>): Promise<(name: string) => number> {
    for (const name of names) {
      if (this.#ids.has(name)) continue;
      // Looked up first: an INSERT burns a number even where the name is there.
      this.#ids.set(name, (await this.#lookUp(name)) ?? (await this.#make(name)));
    }
    return (name) => {
      const id = this.#ids.get(name);
      if (id === undefined) throw new Error(`the number of index ${name} was not asked for`);
      return id;
    };
  }

  async #lookUp(name: string): Promise<number | undefined> {
    const [row] = await this.#database.rows<{ index_id: number }>(
      'SELECT index_id FROM source_indices WHERE name = ?',
      [name],
    );
    return row?.index_id;
  }

  async #make(name: string): Promise<number> {
    // Not IGNORE: an error must stay one.
    await this.#database.change(
      'INSERT INTO source_indices (name) VALUES (?) ON DUPLICATE KEY UPDATE name = source_indices.name',
      [name],
    );
    const id = await this.#lookUp(name);
    if (id === undefined) throw new Error(`index ${name} has no number`);
    return id;
  }
}
