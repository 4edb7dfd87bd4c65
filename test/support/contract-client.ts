import { afterAll } from 'vitest';
import { type AwsEndpoint, awsEndpoint, clientSettings } from './aws-endpoint.ts';

type ClientClass<Client> = new (settings: ReturnType<typeof clientSettings>) => Client;

/** An AWS endpoint and a client for it, both for the tests of one file. */
export async function contractClient<Client extends { destroy(): void }>(
  Class: ClientClass<Client>,
): Promise<{ readonly endpoint: AwsEndpoint; readonly client: Client }> {
  const endpoint = await awsEndpoint();
  const client = new Class(clientSettings(endpoint.url));
  afterAll(async () => {
    client.destroy();
    await endpoint.close();
  });
  return { endpoint, client };
}
