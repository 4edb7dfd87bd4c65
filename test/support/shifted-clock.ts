/**
 * Loaded before the function in a process of its own: moves its clock by CLOCK_OFFSET_SECONDS, so that leases and
 * back-offs run out without anybody waiting for them.
 */
const offset = Number(process.env.CLOCK_OFFSET_SECONDS ?? 0) * 1000;
const RealDate = Date;

globalThis.Date = class extends RealDate {
  constructor(...parts: ConstructorParameters<typeof RealDate> | []) {
    if (parts.length === 0) super(RealDate.now() + offset);
    else super(...parts);
  }

  static override now(): number {
    return RealDate.now() + offset;
  }
} as DateConstructor;
