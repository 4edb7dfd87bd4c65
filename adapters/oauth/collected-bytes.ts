/** Bytes up to a limit, in one buffer: thousands of small ones would take a hundred times the memory. */
export class CollectedBytes {
  readonly #limit: number;
  #buffer = Buffer.alloc(0);
  #length = 0;
  #full = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  /** More came than there is room for. */
  get full(): boolean {
    return this.#full;
  }

  add(chunk: Buffer): void {
    const part = chunk.subarray(0, this.#limit - this.#length);
    this.#full ||= part.length < chunk.length;
    const needed = this.#length + part.length;
    if (needed > this.#buffer.length) {
      const size = Math.min(this.#limit, Math.max(4_096, 2 * this.#buffer.length, needed));
      this.#buffer = Buffer.concat([this.bytes()], size);
    }
    part.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  /** The bytes themselves, not a copy. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
