// Reads a secret from stdin, a JSON object of ES_MIGRATE_… variables, and writes it as an environment file of systemd.
import { readFileSync } from 'node:fs';

const secret = parse(readFileSync(0, 'utf8'));
if (!isVariables(secret)) {
  // What it holds is not to be shown.
  console.error(
    'es-migrate: the secret is not a JSON object of ES_MIGRATE_… variables; store {"ES_MIGRATE_TRACKING_PASSWORD":"…"}',
  );
  process.exit(2);
}
const lines = Object.entries(secret).map(([name, value]) => `${name}="${escaped(value)}"\n`);
process.stdout.write(lines.join(''));

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isVariables(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length > 0 &&
    Object.entries(value).every(
      ([name, text]) => /^ES_MIGRATE_[A-Z0-9_]+$/.test(name) && typeof text === 'string',
    )
  );
}

/** Within double quotes these four mean something, to systemd as to a shell (systemd.exec(5), EnvironmentFile=). */
function escaped(value) {
  return value.replace(/[\\"`$]/g, '\\$&');
}
