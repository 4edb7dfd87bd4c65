/** What a server answered, as far as it could be read. */
export interface HttpResponse {
  /** 0 where the answer names none. */
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The body as text, at most 256 KB of it. */
  readonly body: string;
  /** False where the body was cut short, or was larger. */
  readonly complete: boolean;
  /** Nothing but the end of the connection says where the body ends. */
  readonly unframed?: boolean | undefined;
  /** The body was larger than is read; asking again would not help. */
  readonly tooLarge?: boolean | undefined;
  /** The server's clock, as its `date` header has it. */
  readonly date?: string | undefined;
  /** Status line and headers as they came: a token may stand there too. */
  readonly head?: string | undefined;
  /** The body's bytes as they came, at most 64 KB, where they are no text. */
  readonly undecodable?: Uint8Array | undefined;
}
