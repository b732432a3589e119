import js from '@eslint/js';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** What each room may not import: imports point down only (docs/architecture.md). */
const rows = [
  ['cli/**'],
  ['faces/**'],
  ['storage/sqlite-storage.ts'],
  ['database-baseline', 'database-rollback', 'history-repair', 'rehearsal', 'upgrade-all'],
  ['repair-decision', 'upgrade-plan'],
  ['database-inspection', 'database-verification', 'history-access'],
  ['database-change'],
  ['legacy-migrations'],
  ['history-adoption', 'adoption-decision'],
  ['history-change'],
  ['migration-runner'],
  ['upgrade-steps'],
  ['full-steps', 'quick-steps'],
  ['upgrade-course'],
  ['upgrade-connection', 'upgrade-report', 'upgrade-request'],
  ['backup-policy', 'database-restore', 'migration-plan'],
  ['managed-state'],
  ['database-state'],
  ['legacy-evidence', 'legacy-strangers', 'migration-footprint', 'migration-replay'],
].map((row) => row.map((name) => (name.includes('/') ? `./core/${name}` : `./core/storage/${name}.ts`)));
const zones = rows.slice(1).map((target, index) => ({ target, from: rows.slice(0, index + 1).flat() }));

export default tseslint.config(
  { ignores: ['dist/', 'var/', 'node_modules/', 'tests/fixtures/migrations/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { project: ['./tsconfig.json', './tests/tsconfig.json'] } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'import-x/no-cycle': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['core/**/*.ts'],
    ignores: ['core/database/*-bridge.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: ['sqlite3', 'better-sqlite3'] }] },
  },
  {
    files: ['core/**/*.ts'],
    plugins: { 'import-x': importX },
    rules: {
      'import-x/no-restricted-paths': [
        'error',
        {
          zones: [
            ...zones,
            { target: './core/database', from: ['./core/storage', './core/faces', './core/cli'] },
            { target: './core/storage', from: ['./core/cli', './core/faces', './core/index.ts'] },
            {
              target: './core/errors.ts',
              from: ['./core/storage', './core/database', './core/faces', './core/cli'],
            },
            {
              target: './core/logger.ts',
              from: ['./core/storage', './core/database', './core/faces', './core/cli'],
            },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
);
