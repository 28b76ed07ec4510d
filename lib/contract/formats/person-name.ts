import { type Fault, fault } from "./fault.ts";
import { isVisible } from "./visible.ts";

/** A name of a person or a company: one line that can be seen, as given. */
export const toName = (text: string): string | Fault =>
  isVisible(text) ? text : fault("must be visible text on one line, without control or format characters");
