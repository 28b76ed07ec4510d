/**
 * What e-mails are compared by (contract 4): Unicode's lower case of the composed form, the same on every system. The
 * final sigma is a sigma, because its capital does not say which of the two it was. PostgreSQL has the same rule as
 * the function `email_key`, on which uniqueness rests (migrations/): change both together.
 *
 * @param email an e-mail as given
 * @returns the key; two e-mails are the same if their keys are
 */
export const emailKey = (email: string): string => email.normalize("NFC").toLowerCase().replaceAll("ς", "σ");

/** Whether two e-mails are the same to the contract, by the rule that makes them unique. */
export const sameEmail = (a: string, b: string): boolean => emailKey(a) === emailKey(b);
