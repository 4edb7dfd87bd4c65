// A small OAuth provider for a trial on AWS, behind a function URL. It rotates strictly: a refresh token is good once,
// and one that comes again ends the grant. Its table holds hashes only, and the judge of the trial reads it.
import { createHash, randomBytes } from 'node:crypto';
import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';

const client = new DynamoDBClient();
const TableName = process.env.GRANTS_TABLE_NAME;
const hash = (text) => createHash('sha256').update(text).digest('base64url');
const answer = (statusCode, body) => ({
  statusCode,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  body: JSON.stringify(body),
});

export async function handler({ headers = {}, body = '', isBase64Encoded = false }) {
  const text = isBase64Encoded ? Buffer.from(body, 'base64').toString('utf8') : body;
  const parameters = Object.fromEntries(new URLSearchParams(text));
  if (!(await knowsClient(headers.authorization))) return answer(401, { error: 'invalid_client' });
  if (parameters.grant_type !== 'refresh_token') return answer(400, { error: 'unsupported_grant_type' });
  const refreshToken = await rotate(parameters.refresh_token ?? '');
  if (refreshToken === undefined) return answer(400, { error: 'invalid_grant' });
  return answer(200, {
    access_token: randomBytes(24).toString('base64url'),
    token_type: 'Bearer',
    expires_in: 3600,
    refresh_token: refreshToken,
  });
}

async function knowsClient(authorization = '') {
  const [id, secret] = Buffer.from(authorization.replace(/^Basic /i, ''), 'base64')
    .toString('utf8')
    .split(':');
  if (!id || !secret) return false;
  const { Item } = await client.send(new GetItemCommand({ TableName, Key: { id: { S: `client:${id}` } } }));
  return Item?.secret?.S === hash(decodeURIComponent(secret));
}

/** Spends a refresh token, `GRANT.RANDOM`. Returns its successor; undefined for one that isn't good. */
async function rotate(refreshToken) {
  const [grant = ''] = refreshToken.split('.');
  const next = `${grant}.${randomBytes(24).toString('base64url')}`;
  const update = (input) =>
    client.send(new UpdateItemCommand({ TableName, Key: { id: { S: `grant:${grant}` } }, ...input }));
  const spent = { ':spent': { S: hash(refreshToken) } };
  try {
    await update({
      UpdateExpression: 'SET live = :next ADD grants :one, spent :spents',
      ConditionExpression: 'live = :spent AND attribute_not_exists(revoked)',
      ExpressionAttributeValues: {
        ...spent,
        ':next': { S: hash(next) },
        ':one': { N: '1' },
        ':spents': { SS: [hash(refreshToken)] },
      },
    });
    return next;
  } catch (error) {
    if (error.name !== 'ConditionalCheckFailedException') throw error;
  }
  await update({
    UpdateExpression: 'SET revoked = :yes',
    ConditionExpression: 'contains(spent, :spent)',
    ExpressionAttributeValues: { ...spent, ':yes': { BOOL: true } },
  }).catch((error) => {
    if (error.name !== 'ConditionalCheckFailedException') throw error;
  });
  return undefined;
}
