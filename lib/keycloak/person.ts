/** A user of Keycloak. A text that is missing or empty is null. */
export type Person = {
  id: string;
  username: string | null;
  email: string | null;
  emailVerified: boolean;
  firstName: string | null;
  lastName: string | null;
  enabled: boolean;
  /** The account of a client: no person. */
  isService: boolean;
};

const textOf = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : null;

/**
 * Reads a user as the admin API returns it.
 * @returns undefined if it is none: without an id, or without saying whether it is enabled
 */
export function personOf(value: unknown): Person | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, username, email, emailVerified, firstName, lastName, enabled, serviceAccountClientId } =
    value as Record<string, unknown>;
  if (typeof id !== "string" || id === "" || typeof enabled !== "boolean") return undefined;
  return {
    id,
    username: textOf(username),
    email: textOf(email),
    emailVerified: emailVerified === true,
    firstName: textOf(firstName),
    lastName: textOf(lastName),
    enabled,
    isService: serviceAccountClientId !== undefined || /^service-account-/.test(String(username)),
  };
}
