import { ACCOUNT_RULES } from './accounts.js';
import { CONNECTION_RULES } from './connections.js';
import { DRIVER_RULES } from './driver.js';
import type { DriverRule, ErrorRule, Product } from './rule.js';
import { SETTING_RULES } from './settings.js';
import { SPACE_RULES } from './space.js';
import { STORAGE_RULES } from './storage.js';
import { TRANSACTION_RULES } from './transactions.js';

/** All rules for numbers that servers send; the first that fits counts. */
export const ERROR_RULES: readonly ErrorRule[] = [
  ...SPACE_RULES,
  ...CONNECTION_RULES,
  ...TRANSACTION_RULES,
  ...ACCOUNT_RULES,
  ...SETTING_RULES,
  ...STORAGE_RULES,
];

export { DRIVER_RULES };

/**
 * The rule for an error of the server, by its number; undefined where none names it.
 *
 * @param product the server, where it is known: from 1900 on the two products number different errors alike
 */
export function serverRule(
  number: number,
  message: string,
  product: Product | undefined,
): ErrorRule | undefined {
  return ERROR_RULES.find(
    ({ numbers, when, on }) =>
      numbers.includes(number) &&
      (when === undefined || when.test(message)) &&
      (on === undefined || product === undefined || on === product),
  );
}

/** The rule for an error that no server sent, by the code of the driver or of Node.js. */
export function driverRule(code: string): DriverRule | undefined {
  return DRIVER_RULES.find(({ codes }) => codes.includes(code));
}
