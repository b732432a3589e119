import { compareSchemas, noneSuch, type SchemaDifference } from './schema-comparison.js';
import type { SchemaSnapshot } from './schema-snapshot.js';

/** One way in which a schema became another one. */
export interface SchemaChange {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly object: SchemaDifference['object'];
  /** The object's name; a column is named `table.column`, a constraint by its table. */
  readonly name: string;
  /** The change as a sentence. */
  readonly sentence: string;
}

/** Says what was done to a schema: what is new, what is gone, and what means something else. */
export function schemaChanges(before: SchemaSnapshot, after: SchemaSnapshot): SchemaChange[] {
  return compareSchemas(before, after).map(changeOf);
}

function changeOf({ kind, object, name, detail }: SchemaDifference): SchemaChange {
  const subject = `${object === 'constraint' ? 'table' : object} ${name}`;
  const { expected: old = '', found: now = '' } = detail ?? {};
  if (kind === 'missing') return { kind: 'removed', object, name, sentence: `${subject} is removed` };
  if (kind === 'extra') return { kind: 'added', object, name, sentence: `${subject} is added` };
  if (old === noneSuch) return { kind: 'added', object, name, sentence: `${subject} gets ${now}` };
  if (now === noneSuch) return { kind: 'removed', object, name, sentence: `${subject} loses ${old}` };
  return { kind: 'changed', object, name, sentence: `${subject} changes from ${old} to ${now}` };
}
