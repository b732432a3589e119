// What the program's deployment runs: it ends with 2 where a migration is pending, and changes nothing.
// node deployment-check.js DATABASE
import { MigrationRunner } from 'sqlite-upgrade-bridge';

import { migrations } from './migrations.js';

const [database = ''] = process.argv.slice(2);
const plan = await new MigrationRunner(database, { adopt: true }).planMigrations(migrations);
for (const { filename } of plan.apply) console.log(`pending: ${filename}`);
process.exitCode = plan.upToDate ? 0 : 2;
