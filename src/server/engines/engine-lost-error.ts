/** The process that worked on a request is gone; the request has no finish. */
export class EngineLostError extends Error {
  override readonly name = 'EngineLostError';
  constructor() {
    super('The engine process ended while it worked on the request.');
  }
}
