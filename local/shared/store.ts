import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/** Another process uses the data directory. */
export class DataDirectoryInUseError extends Error {
  readonly code = 'DATA_DIRECTORY_IN_USE';
}

/**
 * Opens the state of everything except DynamoDB: `aws.sqlite` in the directory, or memory. What has been written survives
 * if the process is killed. Only one process at a time can use the directory.
 *
 * @throws DataDirectoryInUseError
 */
export function openStore(dataDirectory: string | undefined): DatabaseSync {
  const db = new DatabaseSync(dataDirectory === undefined ? ':memory:' : privateFile(dataDirectory));
  try {
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA foreign_keys = ON;
      BEGIN EXCLUSIVE; COMMIT;
    `);
  } catch (error) {
    db.close();
    if (!(error instanceof Error) || !/locked|busy/.test(error.message)) throw error;
    throw new DataDirectoryInUseError(
      `The data directory ${dataDirectory} is in use by another process. Stop that one, or choose another directory.`,
    );
  }
  return db;
}

/** Creates the file for the secrets, readable only by its owner. SQLite's files beside it get the same mode. */
function privateFile(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'aws.sqlite');
  closeSync(openSync(file, 'a', 0o600));
  return file;
}

/**
 * Statements as tagged templates, each prepared once. Values are bound, never pasted. node:sqlite's own tag store does the
 * same, but in Node.js 24 it keeps the file locked after the database is closed.
 */
export function statements(db: DatabaseSync) {
  const prepared = new Map<TemplateStringsArray, StatementSync>();
  const statement = (sql: TemplateStringsArray) => {
    const known = prepared.get(sql) ?? db.prepare(sql.join('?'));
    prepared.set(sql, known);
    return known;
  };
  return {
    get: (sql: TemplateStringsArray, ...values: SQLInputValue[]) => statement(sql).get(...values),
    all: (sql: TemplateStringsArray, ...values: SQLInputValue[]) => statement(sql).all(...values),
    run: (sql: TemplateStringsArray, ...values: SQLInputValue[]) => statement(sql).run(...values),
  };
}

/** Runs a change completely or not at all. */
export function transaction<Result>(db: DatabaseSync, change: () => Result): Result {
  db.exec('BEGIN');
  try {
    const result = change();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
