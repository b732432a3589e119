import type { Replay } from './migration-replay.js';
import { columnsOf } from './schema-comparison.js';
import type { ObjectSnapshot, SchemaSnapshot, TableSnapshot } from './schema-snapshot.js';
import { foldName, shownName } from './sql-tokens.js';

/** Every form that the files give a table, oldest first, with the columns it was created with. */
function tableForms(
  replay: Replay,
  table: string,
): { created: TableSnapshot; forms: TableSnapshot[] } | undefined {
  const forms = replay.steps.flatMap((step) => step.after.tables.get(table) ?? []);
  const created = forms[0];
  return created === undefined ? undefined : { created, forms: [...new Set(forms)] };
}

function primaryKey(table: TableSnapshot): string {
  return table.constraints.find(({ kind }) => kind === 'primary key')?.columns.join() ?? 'none';
}

/** What keeps a table from being the one that a form describes; undefined where it is that one. */
function strangeness(live: TableSnapshot, created: TableSnapshot, form: TableSnapshot): string | undefined {
  if (live.virtual !== form.virtual)
    return `table ${shownName(live.name)} is ${live.virtual ? 'a' : 'not a'} virtual table`;
  const columns = columnsOf(live);
  const wanted = columnsOf(form);
  for (const name of columnsOf(created).keys())
    if (wanted.has(name) && !columns.has(name)) return `table ${shownName(live.name)} has no column ${name}`;
  if (primaryKey(live) !== primaryKey(form))
    return `table ${shownName(live.name)} has the primary key (${primaryKey(live)}), not (${primaryKey(form)})`;
  if (live.withoutRowid !== form.withoutRowid || live.strict !== form.strict)
    return `table ${shownName(live.name)} has other table options`;
  return undefined;
}

/**
 * A column that has a type which no form gives it, of the columns that it was created with and of those that came later:
 * giving it another type would change the values in it.
 */
function strangeColumn(live: TableSnapshot, forms: readonly TableSnapshot[]): string | undefined {
  for (const [key, { name, type, generated }] of columnsOf(live)) {
    const known = forms.flatMap((form) => columnsOf(form).get(key) ?? []);
    const [first] = known;
    if (first === undefined) continue;
    if (!known.some((column) => column.type === type))
      return `column ${shownName(`${live.name}.${name}`)} has the type ${type || '(none)'}, not ${first.type || '(none)'}`;
    if (!known.some((column) => (column.generated === 'no') === (generated === 'no')))
      return `column ${shownName(`${live.name}.${name}`)} is ${generated === 'no' ? 'not ' : ''}generated`;
  }
  return undefined;
}

/** What keeps a table of the live schema from being one of ours; undefined where it is in one of its forms. */
function strangeTable(table: TableSnapshot, name: string, replay: Replay): string | undefined {
  const known = tableForms(replay, name);
  if (known !== undefined) {
    const column = strangeColumn(table, known.forms);
    if (column !== undefined) return column;
    const found = known.forms.map((form) => strangeness(table, known.created, form));
    return found.includes(undefined) ? undefined : found.at(-1);
  }
  const [object] = replay.steps.flatMap((step) => step.after.objects.get(name) ?? []);
  return object === undefined
    ? undefined
    : `table ${shownName(table.name)} bears the name of the ${object.type} ${shownName(object.name)}`;
}

/** The same for an index, a trigger or a view. */
function strangeObject(object: ObjectSnapshot, name: string, replay: Replay): string | undefined {
  const known = replay.steps.flatMap((step) => step.after.objects.get(name) ?? []);
  const isOurs = known.some(
    ({ type, table }) => type === object.type && foldName(table) === foldName(object.table),
  );
  const [first] = known;
  if (isOurs) return undefined;
  if (first !== undefined)
    return `${object.type} ${shownName(object.name)} on ${shownName(object.table)} bears the name of the ${first.type} on ${shownName(first.table)}`;
  return replay.steps.some((step) => step.after.tables.has(name))
    ? `${object.type} ${shownName(object.name)} bears the name of a table of this program`
    : undefined;
}

/** Everything in the live schema that bears one of our names and is not ours. */
export function strangers(live: SchemaSnapshot, replay: Replay): string[] {
  return [
    ...[...live.tables].map(([name, table]) => strangeTable(table, name, replay)),
    ...[...live.objects].map(([name, object]) => strangeObject(object, name, replay)),
  ].filter((reason) => reason !== undefined);
}
