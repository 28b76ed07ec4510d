/** What a quota limits: the number of interviews, or the storage in bytes (contract 2 and 26). */
export const RESOURCES = ["interviews", "storage"] as const;
export type Resource = (typeof RESOURCES)[number];
