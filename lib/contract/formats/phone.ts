import { parsePhoneNumberFromString } from "libphonenumber-js";

/** Digits with the usual separators. A slash is not one of them: `…820/21` means two numbers. */
const ONE_NUMBER = /^\+[\p{Nd}\s().\p{Pd}]+$/u;
/** The maximum number of digits (E.164, 6). */
const MAX_DIGITS = 15;

/**
 * A phone number in E.164 if the whole text is one international number, else the text as given (contract 4): the
 * conversion would lose everything beside the number, such as an extension.
 */
export function toE164(text: string): string {
  if (!ONE_NUMBER.test(text)) return text;
  const number = parsePhoneNumberFromString(text, { extract: false })?.number;
  return number && number.length <= 1 + MAX_DIGITS ? number : text;
}
