import { expect, test } from 'vitest';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';

test('MySQL elsewhere: refused without a trusted certificate; off has to be written, and every run says so once', async () => {
  const project = await makeProject({ indices: freshIndexPrefix() });
  const url = project.database.url.replace('@127.0.0.1', '@0.0.0.0');
  await project.configure({ tracking: { url } });
  const refused = await runBinary(['status'], project);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/MySQL's certificate was not accepted/);
  expect(refused.stderr).not.toMatch(/tls: off|insecure/);

  await project.configure({ tracking: { url, tls: 'off' } });
  for (const args of [
    ['db', 'migrate'],
    ['status', '--json'],
  ]) {
    const env = {
      ...project.env,
      HTTPS_PROXY: 'http://u:Tr0ub4dor@proxy.example:3128',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    };
    const { code, stdout, stderr } = await runBinary(args, { cwd: project.cwd, env });
    expect(code, stderr).toBe(0);
    expect(stderr.match(/tracking\.tls is off/g)).toHaveLength(1);
    expect(stderr.match(/NODE_TLS_REJECT_UNAUTHORIZED=0 is set and not followed/g)).toHaveLength(1);
    expect(stdout + stderr).not.toMatch(/HTTPS_PROXY|Tr0ub4dor/);
  }
});
