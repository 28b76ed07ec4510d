/** Why a text is not valid. `message` completes "the field …" and never contains the text itself. */
export class Fault {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** A format: takes a trimmed, non-empty text and returns the text to store, or why it is refused. */
export type Format = (text: string) => string | Fault;

/** Creates a fault. */
export const fault = (message: string): Fault => new Fault(message);
