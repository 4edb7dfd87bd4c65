import { DatabaseSync } from 'node:sqlite';
import type { Adapter, AdapterPayload } from 'oidc-provider';

/** Keeps the authorization server's grants and tokens, so that they survive a restart. */
interface AdapterStore {
  /** The adapter of one of oidc-provider's models. */
  readonly adapterOf: (model: string) => Adapter;
  /** A value that is created once and then kept, such as a signing key. */
  readonly remember: <T>(key: string, make: () => Promise<T>) => Promise<T>;
  readonly close: () => void;
}

type Row = Record<string, string | number | null>;

const PURGE_INTERVAL = 60_000;

/** @param file a database file; in memory without it */
export function openAdapterStore(file?: string): AdapterStore {
  const database = new DatabaseSync(file ?? ':memory:');
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS entry (
      model TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, expires_at REAL,
      grant_id TEXT, user_code TEXT, uid TEXT, PRIMARY KEY (model, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_grant ON entry (grant_id) WHERE grant_id IS NOT NULL;
  `);
  const upsert = database.prepare('INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)');
  const purge = () => database.prepare('DELETE FROM entry WHERE expires_at < ?').run(Date.now() / 1000);
  purge();
  const purging = setInterval(purge, PURGE_INTERVAL).unref();

  const findBy = (
    column: 'id' | 'user_code' | 'uid',
    model: string,
    value: string,
  ): AdapterPayload | undefined => {
    const row = database
      .prepare(
        `SELECT payload FROM entry WHERE model = ? AND ${column} = ? AND coalesce(expires_at, 1e12) > ?`,
      )
      .get(model, value, Date.now() / 1000) as Row | undefined;
    return row === undefined ? undefined : JSON.parse(String(row.payload));
  };
  return {
    adapterOf: (model) => ({
      upsert: async (id, payload, expiresIn) => {
        const { grantId = null, userCode = null, uid = null } = payload;
        const expiresAt = expiresIn !== undefined && expiresIn > 0 ? Date.now() / 1000 + expiresIn : null;
        upsert.run(model, id, JSON.stringify(payload), expiresAt, grantId, userCode, uid);
      },
      find: async (id) => findBy('id', model, id),
      findByUserCode: async (userCode) => findBy('user_code', model, userCode),
      findByUid: async (uid) => findBy('uid', model, uid),
      consume: async (id) => {
        database
          .prepare(`UPDATE entry SET payload = json_set(payload, '$.consumed', ?) WHERE model = ? AND id = ?`)
          .run(Math.floor(Date.now() / 1000), model, id);
      },
      destroy: async (id) => {
        database.prepare('DELETE FROM entry WHERE model = ? AND id = ?').run(model, id);
      },
      revokeByGrantId: async (grantId) => {
        database.prepare('DELETE FROM entry WHERE model = ? AND grant_id = ?').run(model, grantId);
      },
    }),
    remember: async (key, make) => {
      const known = findBy('id', 'remembered', key);
      if (known !== undefined) return (known as unknown as { value: Awaited<ReturnType<typeof make>> }).value;
      const value = await make();
      upsert.run('remembered', key, JSON.stringify({ value }), null, null, null, null);
      return value;
    },
    close: () => {
      clearInterval(purging);
      database.close();
    },
  };
}
