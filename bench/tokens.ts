/**
 * Tokens as the service makes them for development. Their key lies in DATA_DIR, which the service's configuration
 * reads when it is loaded: so it is loaded only here, after run.ts has set it. Every server gets the same DATA_DIR.
 */
export async function bearer(claims: { sub: string; roles?: string[] }): Promise<{ authorization: string }> {
  const { developmentToken } = await import("../services/api/development-token.ts");
  return { authorization: `Bearer ${await developmentToken(claims)}` };
}

export const adminBearer = (): Promise<{ authorization: string }> =>
  bearer({ sub: "bench-admin", roles: ["admin"] });
