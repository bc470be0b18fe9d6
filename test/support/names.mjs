/** Loaded before the binary (`node --import`): the file ES_MIGRATE_TEST_NAMES says which address a name has by now. */
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const real = dns.lookup;
dns.lookup = (name, options, callback) => {
  const done = callback ?? options;
  const names = JSON.parse(readFileSync(process.env.ES_MIGRATE_TEST_NAMES, 'utf8'));
  const address = names[name];
  if (address === undefined) return real(name, options, callback);
  if (options.all) process.nextTick(done, null, [{ address, family: 4 }]);
  else process.nextTick(done, null, address, 4);
};
syncBuiltinESMExports();
