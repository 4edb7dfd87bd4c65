/** An HTTP response, as far as it could be read. */
export interface HttpResponse {
  /** 0 where there is none. */
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The body as text, at most 256 KB of it. */
  readonly body: string;
  /** False where the body was cut short, or was too large. */
  readonly complete: boolean;
  /** Only the end of the connection says where the body ends. */
  readonly unframed?: boolean | undefined;
  /** The body was larger than what we read. Asking again would not help. */
  readonly tooLarge?: boolean | undefined;
  /** The `date` header: the server's clock. */
  readonly date?: string | undefined;
  /** The provider's own id of the request. */
  readonly requestId?: string | undefined;
  /** Status line and headers as they came: a token may be there too. */
  readonly head?: string | undefined;
  /** The body's bytes, at most 64 KB, where they are no text. */
  readonly undecodable?: Uint8Array | undefined;
}
