/**
 * Stands in for the SDK's event streams in the bundle: no call of this function streams, and what they need would be 20 KB
 * of it. The SDK loads them only for such a call.
 */
export class EventStreamSerde {
  constructor() {
    throw new Error('No call of this function streams events.');
  }
}

export const eventStreamSerdeProvider = undefined;
