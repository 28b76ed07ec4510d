import { type Fault, fault } from "./fault.ts";
import { isVisible } from "./visible.ts";

const ADDRESS = /^[^\s@"(),:;<>[\\\]]+@[^\s@"(),:;<>[\\\].]+(\.[^\s@"(),:;<>[\\\].]+)+$/u;

/** A word that mixes Latin letters with Cyrillic or Greek ones, which no language does: it imitates another word. */
const MIXED = /\p{sc=Latn}\p{M}*[\p{sc=Cyrl}\p{sc=Grek}]|[\p{sc=Cyrl}\p{sc=Grek}]\p{M}*\p{sc=Latn}/u;

/**
 * A character that is a variant of others: full width, a ligature, the Kelvin sign (RFC 8264, 9.17 disallows these in
 * identifiers), or İ, the only letter whose lower case is two characters.
 */
const isVariant = (character: string): boolean =>
  character.normalize("NFKC") !== character || [...character.toLowerCase()].length > 1;

/** An e-mail address, as given. Quoted local parts and address literals are not supported. */
export function toEmailAddress(text: string): string | Fault {
  if (!ADDRESS.test(text) || !isVisible(text)) return fault("must be an e-mail address");
  if (MIXED.test(text) || [...text].some(isVariant))
    return fault("must not contain characters that look like others");
  return text;
}
