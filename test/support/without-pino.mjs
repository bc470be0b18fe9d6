/** Loaded before the binary (`node --import`): pino is gone, as where the installation is replaced under a run. */
import Module from 'node:module';

const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...others) => {
  if (request === 'pino') throw new Error('Cannot find module pino');
  return resolve(request, ...others);
};
