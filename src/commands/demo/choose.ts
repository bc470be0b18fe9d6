import { sampleDocuments, sampleIndices, type SampleOptions } from '../../../sandbox/sample.js';

/** A message that is to be compared. */
export interface Chosen {
  readonly id: string;
  /** Its id is one that paths, URLs, shells or collations get wrong. */
  readonly hostile: boolean;
  /** Its source has numbers and escapes that parsing and writing again would change. */
  readonly spoilable: boolean;
}

/**
 * Which messages of a sample to compare: all where there are few; else every hostile id, every source that
 * stands over several lines, a third with spoilable numbers, and for the rest ordinary ones, spread evenly.
 * They are chosen from what was put in, so one that got lost on the way is missed.
 */
export function chooseMessages(sample: SampleOptions, size: number): Chosen[] {
  const { messages } = sampleIndices(sample.prefix);
  const stride = Math.max(1, Math.floor(sample.messages / size));
  const difficult: Chosen[] = [];
  const spoilable: Chosen[] = [];
  const ordinary: Chosen[] = [];
  let number = 0;
  for (const { index, id, source } of sampleDocuments(sample)) {
    if (index !== messages) continue;
    const hostile = !/^[0-9a-f-]+$/.test(id);
    const chosen = { id, hostile, spoilable: source.includes('1e400') };
    if (hostile || /[\r\n]/.test(source)) difficult.push(chosen);
    else if (chosen.spoilable) spoilable.push(chosen);
    else if (number % stride === 0) ordinary.push(chosen);
    number++;
  }
  const some = [...difficult, ...spoilable.slice(0, Math.ceil(size / 3)), ...ordinary];
  return some.slice(0, size);
}
