import { readFileSync } from 'node:fs';
import { EncryptCommand } from '@aws-sdk/client-kms';
import { CreateSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import type { StrictProvider } from '../support/strict-provider.ts';
import type { World } from '../support/world.ts';

/** What a version wrote, as `test/fixtures/<version>/fleet.json` holds it. */
interface Fixture {
  readonly takenAt: number;
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly secrets: readonly {
    readonly name: string;
    readonly previous?: string;
    readonly current: string;
  }[];
  readonly escrowKeys: Readonly<Record<string, string>>;
  readonly grants: Readonly<Record<string, KnownGrant>>;
}

/** A grant as its provider knows it. */
export interface KnownGrant {
  readonly live: string;
  readonly spent: readonly string[];
  readonly revoked?: boolean;
}

/** What has been put into a world. */
export interface LoadedFixture {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  /** The current text of each secret, by name. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Accounts whose grants the provider knows, and those among them that it had revoked. */
  readonly grants: readonly string[];
  readonly revoked: readonly string[];
}

/** A number between these is a time, seconds since the epoch. */
const [EARLIEST, LATEST] = [1_500_000_000, 2_100_000_000];

/**
 * Puts what a version wrote into a world, with all times moved as if it had been written just now.
 *
 * @param provider knows the fixture's grants from then on, and is where its profiles point to
 */
export async function loadFixture(
  version: string,
  world: Pick<World, 'clients' | 'prefix' | 'escrowKeyId'>,
  provider?: StrictProvider,
): Promise<LoadedFixture> {
  const { clients, prefix, escrowKeyId } = world;
  const path = new URL(`../fixtures/${version}/fleet.json`, import.meta.url);
  const text = readFileSync(path, 'utf8')
    .replaceAll('{{prefix}}', prefix)
    .replaceAll('{{origin}}', provider?.origin ?? 'https://id.example');
  const fixture = JSON.parse(text) as Fixture;
  const shift = Math.floor(Date.now() / 1000) - fixture.takenAt;

  const arns = new Map<string, string>();
  const secrets = new Map<string, string>();
  for (const { name, previous, current } of fixture.secrets) {
    const [first, ...next] = [previous, current].flatMap((one) =>
      one === undefined ? [] : [shiftedText(one, shift)],
    );
    const { ARN = '' } = await clients.secrets.send(
      new CreateSecretCommand({ Name: name, SecretString: first }),
    );
    for (const SecretString of next)
      await clients.secrets.send(new PutSecretValueCommand({ SecretId: name, SecretString }));
    arns.set(name, ARN);
    secrets.set(name, shiftedText(current, shift));
  }

  const withArns = JSON.parse(
    JSON.stringify(fixture.items).replaceAll(
      /\{\{arn:(.*?)\}\}/g,
      (_, name: string) => arns.get(name) ?? name,
    ),
  ) as Fixture['items'];
  const items = [];
  for (const item of withArns) {
    const Item = shifted(item, shift) as Record<string, unknown>;
    const key = fixture.escrowKeys[String(item.accountId)];
    if (key !== undefined) Item.escrow = await rewrapped(item, key);
    await clients.table.send(new PutCommand({ TableName: clients.tableName, Item }));
    items.push(Item);
  }
  for (const [accountId, grant] of Object.entries(fixture.grants)) provider?.adopt(accountId, grant);
  const revoked = Object.entries(fixture.grants).flatMap(([id, grant]) => (grant.revoked ? [id] : []));
  return { items, secrets, grants: Object.keys(fixture.grants), revoked };

  /** The same ciphertext, its data key under the key of this world. */
  async function rewrapped(item: Readonly<Record<string, unknown>>, key: string): Promise<unknown> {
    const { CiphertextBlob = [] } = await clients.kms.send(
      new EncryptCommand({
        KeyId: escrowKeyId,
        Plaintext: Buffer.from(key, 'base64'),
        EncryptionContext: { accountId: String(item.accountId) },
      }),
    );
    const escrow = item.escrow as Record<string, unknown>;
    const envelope = JSON.parse(String(escrow.ciphertext));
    return {
      ...(shifted(escrow, shift) as object),
      ciphertext: JSON.stringify({ ...envelope, key: Buffer.from(CiphertextBlob).toString('base64') }),
    };
  }
}

function shifted(value: unknown, shift: number): unknown {
  if (typeof value === 'number') return value > EARLIEST && value < LATEST ? value + shift : value;
  if (Array.isArray(value)) return value.map((one) => shifted(one, shift));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shifted(one, shift)]));
}

/** What is no JSON is what people wrote, and stays. */
function shiftedText(text: string, shift: number): string {
  try {
    return JSON.stringify(shifted(JSON.parse(text), shift));
  } catch {
    return text;
  }
}
