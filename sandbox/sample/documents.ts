import type { Random } from './random.js';

/** One document to index; `source` is text, because numbers in it would not survive JavaScript. */
export interface SampleDocument {
  readonly index: string;
  readonly id: string;
  readonly source: string;
}

export interface Message {
  readonly number: number;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What a parser that thinks in doubles, or tidies up, would change. */
const SPOILABLE =
  '"exact": {"seq":9007199254740993,"price":1.10,"huge":1e400,"zero":-0.0,"digits":1234567890123456789012345678901234567890,"escaped":"\\u00e9\\/\\ud83d\\ude00"}';

const CHANNELS = ['sms', 'sms', 'email', 'push', 'whatsapp'] as const;
const COUNTRIES = ['DE', 'AT', 'CH', 'FR', 'PL', 'JP', 'BR'] as const;
const SENTENCES = [
  'Your parcel has left the depot and will reach you between 10:00 and 12:00.',
  'Ihre Bestellung wurde heute verschickt; den Stand finden Sie in Ihrem Konto.',
  'Votre rendez-vous est confirmé. Répondez STOP pour ne plus recevoir de messages.',
  'ご注文ありがとうございます。発送が完了しました。',
  'Twój kod jednorazowy wygasa za pięć minut. Nie podawaj go nikomu.',
  'Thanks for your visit 🙏 How was it? Tell us with a number from 1 to 5.',
  'Reminder: "the quick brown fox" jumps at 18:30 \\o/ — don’t be late.',
] as const;
const EVENTS = ['accepted', 'queued', 'routed', 'sent', 'delayed', 'retried', 'delivered'] as const;
const STATES = ['queued', 'sent', 'delivered', 'undelivered', 'read'] as const;
const ACTIONS = ['viewed', 'exported', 'redacted', 'resent'] as const;

const iso = (at: number) => new Date(at).toISOString();

/**
 * The source of one message, about 850 bytes on one line.
 *
 * @param spoilable puts in numbers and escapes that must not be parsed and written again.
 */
export function messageSource(message: Message, random: Random, spoilable: boolean): string {
  const text = [random.oneOf(SENTENCES), random.oneOf(SENTENCES), random.oneOf(SENTENCES)];
  const fields = [
    `"message_id":${JSON.stringify(message.id)}`,
    `"timestamp":"${iso(message.at)}"`,
    `"channel":"${random.oneOf(CHANNELS)}"`,
    `"direction":"${random.next() < 0.9 ? 'outbound' : 'inbound'}"`,
    `"sequence":90071992547${random.between(40_993, 99_999)}`,
    `"sender":{"name":"Example GmbH","address":"+4930${random.between(1_000_000, 9_999_999)}"}`,
    `"recipient":{"id":"user-${random.hex(12)}","address":"+49151${random.between(10_000_000, 99_999_999)}","country":"${random.oneOf(COUNTRIES)}"}`,
    `"body":${JSON.stringify(text.join(' '))}`,
    `"template":{"id":"tpl-${random.between(1, 40)}","version":${random.between(1, 9)}.0,"locale":"de-DE"}`,
    `"price":{"amount":0.0${random.between(10, 99)}0,"currency":"EUR","segments":${random.between(1, 4)}}`,
    `"tags":["campaign-${random.between(1, 99)}","${random.oneOf(['transactional', 'marketing'])}"]`,
    `"trace":{"request":"${random.hex(32)}","span":"${random.hex(16)}","route":"gw-${random.between(1, 8)}.example"}`,
  ];
  if (spoilable) fields.push(SPOILABLE);
  return `{${fields.join(',')}}`;
}

/** The same source over several lines, as a person would send it. */
export function overSeveralLines(source: string, lineBreak: '\n' | '\r\n'): string {
  return source.replace(/^\{/, `{${lineBreak}  `).replace(/\}$/, `${lineBreak}}`);
}

export interface RelatedNames {
  readonly history: string;
  readonly status: string;
  readonly audit: string;
}

/**
 * The records that belong to a message: 0 to 30 of history (most messages have few, a fifth none), 1 to 3 of
 * status, 0 to 2 of audit; 100 to 200 bytes each. Some share an instant, and a few have none.
 */
export function* relatedDocuments(
  message: Message,
  tag: string,
  names: RelatedNames,
  random: Random,
): Generator<SampleDocument> {
  const key = JSON.stringify(message.id);
  let at = message.at;
  const record = (index: string, number: number, rest: string): SampleDocument => {
    at += random.oneOf([0, 1, 40, 900, 12_000, 300_000]);
    const when = random.next() < 0.01 ? '' : `"at":"${iso(at)}",`;
    return {
      index,
      id: `${tag}-${message.number}-${number}`,
      source: `{"message_id":${key},${when}${rest}}`,
    };
  };
  const history = Math.min(30, Math.floor(-Math.log(1 - random.next()) * 4));
  for (let number = 0; number < history; number++) {
    const rest = `"event":"${random.oneOf(EVENTS)}","node":"worker-${random.between(1, 12)}","took":${random.between(1, 900)}.50`;
    yield record(names.history, number, rest);
  }
  for (let number = random.between(1, 3); number > 0; number--) {
    const rest = `"state":"${random.oneOf(STATES)}","code":${random.between(0, 40)},"provider":"carrier-${random.between(1, 5)}"`;
    yield record(names.status, number, rest);
  }
  for (let number = random.between(0, 2); number > 0; number--) {
    const rest = `"actor":"agent-${random.between(1, 30)}@example.com","action":"${random.oneOf(ACTIONS)}","revision":9007199254740${random.between(993, 999)}`;
    yield record(names.audit, number, rest);
  }
}
