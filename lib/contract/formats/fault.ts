/** Why a text does not have a format. `message` completes "the field …" and never contains the text itself. */
export class Fault {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** A format: takes a trimmed, non-empty text and returns the text to store, or the reason to refuse it. */
export type Format = (text: string) => string | Fault;

/** Reports that a text does not have a format. */
export const fault = (message: string): Fault => new Fault(message);
