/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/tests'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1', '^sqlite-upgrade-bridge$': '<rootDir>/core/index.ts' },
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: 'tests/tsconfig.json' }] },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/var', '<rootDir>/tests/benchmarks'],
  collectCoverageFrom: ['core/**/*.ts'],
  coverageDirectory: 'var/coverage',
  coverageReporters: ['text-summary', 'lcovonly', 'json-summary'],
  // Most of the time a test waits for other processes and for the disk.
  maxWorkers: '100%',
  testTimeout: 120_000,
};
