export class EventStreamSerde { constructor() { throw new Error("no event streams here"); } }
