import { type Fault, fault } from "./fault.ts";
import { isVisible } from "./visible.ts";

/** The name of a person or a company as given: one line, not blank. */
export const toName = (text: string): string | Fault =>
  isVisible(text) ? text : fault("must be visible text on one line, without control or format characters");
