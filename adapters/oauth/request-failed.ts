/** A request that got no response. With `sent: 'no'` the server can't have seen it; with `maybe` it may have acted on it. */
export class RequestFailed extends Error {
  readonly sent: 'no' | 'maybe';
  readonly code: string;

  constructor(sent: 'no' | 'maybe', code: string) {
    super(`the request failed: ${code}`);
    this.name = 'RequestFailed';
    this.sent = sent;
    this.code = code;
  }
}
