/**
 * The key by which e-mails are compared (contract 4): the composed form in Unicode's lower case, the same on every
 * system. A final sigma becomes a sigma, because its capital does not show which of the two it was. PostgreSQL has the
 * same rule in the function `email_key`, which the unique index uses (migrations/): change both together.
 *
 * @param email an e-mail as given
 * @returns the key; two e-mails are the same if their keys are equal
 */
export const emailKey = (email: string): string => email.normalize("NFC").toLowerCase().replaceAll("ς", "σ");

/** Whether two e-mails are the same by the rule that makes them unique. */
export const sameEmail = (a: string, b: string): boolean => emailKey(a) === emailKey(b);
