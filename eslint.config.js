import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/** What core may not know: SDKs belong to their adapters, the process and the terminal to the commands. */
const sdks = {
  elasticsearch: {
    group: ['@elastic/*'],
    message: 'Only src/core/elasticsearch talks to Elasticsearch.',
  },
  mysql: { group: ['mysql2', 'mysql2/*'], message: 'Only src/core/tracking talks to MySQL.' },
  s3: {
    group: ['@aws-sdk/*', '!@aws-sdk/client-sqs', '@smithy/*'],
    message: 'Only src/core/objects talks to S3.',
  },
  sqs: { group: ['@aws-sdk/client-sqs'], message: 'Only src/core/queue talks to SQS.' },
};
const terminal = {
  group: [
    'chalk',
    'cli-progress',
    'commander',
    'pino',
    'pino-pretty',
    '**/commands/**',
    '**/config/**',
  ],
  message: 'Core takes plain data and reports by events; the terminal belongs to src/commands.',
};
/**
 * A pattern that begins with a repetition, and has anything behind it, is tried anew from each character of a text: a line break with
 * spaces around it took 40 s to look for in 200,000 spaces.
 */
const slowPattern = {
  selector: 'Literal[regex.pattern=/^(\\\\[sSdDwW]|\\.|\\[[^\\]]*\\])[*+]./]',
  message: 'Anchor it, or begin with what is not repeated: text of others may be long.',
};
const allBut = (name) =>
  Object.entries(sdks)
    .filter(([key]) => key !== name)
    .map(([, pattern]) => pattern);
const coreImports = (files, ...patterns) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, terminal] }] },
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  { files: ['src/**'], rules: { 'no-restricted-syntax': ['error', slowPattern] } },
  {
    files: ['src/core/**'],
    rules: {
      'no-restricted-globals': ['error', 'process', 'console'],
      'no-restricted-syntax': [
        'error',
        slowPattern,
        {
          selector: 'ImportDeclaration[source.value=/^(node:)?process$/]',
          message: 'Core takes what it needs as arguments.',
        },
      ],
    },
  },
  coreImports(['src/core/**'], ...Object.values(sdks)),
  coreImports(['src/core/elasticsearch/**'], ...allBut('elasticsearch')),
  coreImports(['src/core/tracking/**'], ...allBut('mysql')),
  coreImports(['src/core/objects/**'], ...allBut('s3')),
  coreImports(['src/core/queue/**'], ...allBut('sqs')),
);
