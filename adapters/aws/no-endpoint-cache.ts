/**
 * Stands in for the SDK's cache of discovered endpoints in the bundle. DynamoDB's client makes one, and uses it only where
 * AWS_ENABLE_ENDPOINT_DISCOVERY is on: then nothing is kept, and the usual endpoint is called.
 */
export class EndpointCache {
  getEndpoint(): undefined {}
  get(): undefined {}
  set(): void {}
  delete(): void {}
  has(): boolean {
    return false;
  }
  clear(): void {}
}
