export function writeReport(): Promise<void> {
  return Promise.resolve();
}
