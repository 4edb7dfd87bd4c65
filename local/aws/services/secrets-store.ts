import { randomInt } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { statements } from '../../shared/store.ts';
import { arn } from '../protocol/arn.ts';

/** A secret's metadata; times in milliseconds. */
export interface Secret {
  readonly row: number;
  readonly arn: string;
  readonly name: string;
  readonly createdAt: number;
  readonly changedAt: number;
  /** When its deletion was requested, and when it happens. Null unless scheduled for deletion. */
  readonly deletedAt: number | null;
  readonly purgeAt: number | null;
  /** JSON of the other members, unchanged. */
  readonly details: string;
}

/** One version's value. A binary one is in Base64. */
export interface Version {
  readonly id: string;
  readonly secretString: string | null;
  readonly secretBinary: string | null;
  readonly createdAt: number;
}

interface LabelledVersion {
  readonly id: string;
  readonly createdAt: number;
  readonly labels: readonly string[];
}

/** Secrets, their versions and staging labels in SQLite. It knows how labels move, but not requests. */
export type SecretsStore = ReturnType<typeof secretsStore>;

export function secretsStore(db: DatabaseSync, now: () => number) {
  db.exec(`
    CREATE TABLE IF NOT EXISTS secrets (
      row INTEGER PRIMARY KEY AUTOINCREMENT,
      arn TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL UNIQUE,
      createdAt INTEGER NOT NULL,
      changedAt INTEGER NOT NULL,
      deletedAt INTEGER,
      purgeAt INTEGER,
      details TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS versions (
      row INTEGER PRIMARY KEY AUTOINCREMENT,
      secret INTEGER NOT NULL REFERENCES secrets ON DELETE CASCADE,
      id TEXT NOT NULL,
      secretString TEXT,
      secretBinary TEXT,
      createdAt INTEGER NOT NULL,
      UNIQUE (secret, id)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS labels (
      secret INTEGER NOT NULL,
      label TEXT NOT NULL,
      version TEXT NOT NULL,
      PRIMARY KEY (secret, label),
      FOREIGN KEY (secret, version) REFERENCES versions (secret, id) ON DELETE CASCADE
    ) STRICT;
    CREATE INDEX IF NOT EXISTS labels_by_version ON labels (secret, version);
  `);
  const sql = statements(db);

  const attach = ({ row }: Secret, label: string, version: string) =>
    sql.run`INSERT INTO labels VALUES (${row}, ${label}, ${version})
      ON CONFLICT DO UPDATE SET version = excluded.version`;

  return {
    /** By name, ARN, or ARN without its suffix. A secret whose recovery window has passed is gone. */
    find(id: string): Secret | undefined {
      const found = id.startsWith('arn:')
        ? (sql.get`SELECT * FROM secrets WHERE arn = ${id}` ?? byPartialArn(id))
        : sql.get`SELECT * FROM secrets WHERE name = ${id}`;
      const secret = found as Secret | undefined;
      if (secret?.purgeAt == null || secret.purgeAt > now()) return secret;
      this.remove(secret);
      return undefined;
    },

    create(name: string, details: string): void {
      const fullArn = arn('secretsmanager', `secret:${name}-${randomSuffix()}`);
      sql.run`INSERT INTO secrets (arn, name, createdAt, changedAt, details)
        VALUES (${fullArn}, ${name}, ${now()}, ${now()}, ${details})`;
    },

    scheduleDeletion({ row }: Secret, at: { deletedAt: number | null; purgeAt: number | null }): void {
      sql.run`UPDATE secrets SET deletedAt = ${at.deletedAt}, purgeAt = ${at.purgeAt} WHERE row = ${row}`;
    },

    remove({ row }: Secret): void {
      sql.run`DELETE FROM secrets WHERE row = ${row}`;
    },

    /** The secrets after a row whose names have one of these prefixes, oldest first. */
    list(prefixes: readonly string[], planned: 'with_deleted' | 'active', after: number, limit: number) {
      return sql.all`SELECT * FROM secrets
        WHERE row > ${after}
          AND (deletedAt IS NULL OR (${planned} = 'with_deleted' AND purgeAt > ${now()}))
          AND EXISTS (SELECT 1 FROM json_each(${JSON.stringify(prefixes)})
            WHERE substr(name, 1, length(value)) = value)
        ORDER BY row LIMIT ${limit}` as unknown as Secret[];
    },

    version({ row }: Secret, id: string): Version | undefined {
      return sql.get`SELECT * FROM versions WHERE secret = ${row} AND id = ${id}` as Version | undefined;
    },

    /** All versions without their values, oldest first, each with its labels in alphabetical order. */
    versions({ row }: Secret): LabelledVersion[] {
      const rows = sql.all`SELECT id, createdAt,
          (SELECT json_group_array(label ORDER BY label) FROM labels l WHERE l.secret = v.secret AND l.version = v.id)
            AS labels
        FROM versions v WHERE secret = ${row} ORDER BY v.row`;
      return rows.map(({ id, createdAt, labels }) => ({
        id: String(id),
        createdAt: Number(createdAt),
        labels: JSON.parse(String(labels)),
      }));
    },

    countVersions({ row }: Secret): number {
      return Number(sql.get`SELECT count(*) AS count FROM versions WHERE secret = ${row}`?.count);
    },

    addVersion({ row }: Secret, id: string, secretString: string | null, secretBinary: string | null): void {
      sql.run`INSERT INTO versions (secret, id, secretString, secretBinary, createdAt)
        VALUES (${row}, ${id}, ${secretString}, ${secretBinary}, ${now()})`;
    },

    /** Removes up to `limit` of the oldest versions without a label, created at `latest` or before. */
    removeUnlabelled({ row }: Secret, latest: number, limit: number): void {
      sql.run`DELETE FROM versions WHERE row IN (
        SELECT v.row FROM versions v
        WHERE secret = ${row} AND createdAt <= ${latest}
          AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.secret = v.secret AND l.version = v.id)
        ORDER BY v.row LIMIT ${limit})`;
    },

    labels({ row }: Secret, version: string): string[] {
      const rows = sql.all`SELECT label FROM labels WHERE secret = ${row} AND version = ${version} ORDER BY label`;
      return rows.map(({ label }) => String(label));
    },

    labelled({ row }: Secret, label: string): string | undefined {
      const found = sql.get`SELECT version FROM labels WHERE secret = ${row} AND label = ${label}`;
      return found === undefined ? undefined : String(found.version);
    },

    /** Moves a label; AWSPREVIOUS goes to the version that AWSCURRENT came from. */
    moveLabel(secret: Secret, label: string, version: string): void {
      const holder = this.labelled(secret, label);
      if (holder === version) return;
      if (label === 'AWSCURRENT' && holder !== undefined) attach(secret, 'AWSPREVIOUS', holder);
      attach(secret, label, version);
      sql.run`UPDATE secrets SET changedAt = ${now()} WHERE row = ${secret.row}`;
    },

    removeLabel({ row }: Secret, label: string): void {
      sql.run`DELETE FROM labels WHERE secret = ${row} AND label = ${label}`;
    },
  };

  /** As in AWS, an ARN that ends like a suffix is never read as one without a suffix. */
  function byPartialArn(id: string) {
    const prefix = arn('secretsmanager', 'secret:');
    if (!id.startsWith(prefix) || /-[A-Za-z0-9]{6}$/.test(id)) return undefined;
    return sql.get`SELECT * FROM secrets WHERE name = ${id.slice(prefix.length)}`;
  }
}

function randomSuffix(): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length: 6 }, () => letters.charAt(randomInt(letters.length))).join('');
}
