/**
 * Development tokens as the service issues them. Their key is in DATA_DIR, which the service's configuration reads when
 * it is loaded: it is therefore loaded here, after run.ts has set DATA_DIR. All servers get the same DATA_DIR.
 */
export async function bearer(claims: { sub: string; roles?: string[] }): Promise<{ authorization: string }> {
  const { developmentToken } = await import("../services/api/development-token.ts");
  return { authorization: `Bearer ${await developmentToken(claims)}` };
}

export const adminBearer = (): Promise<{ authorization: string }> =>
  bearer({ sub: "bench-admin", roles: ["admin"] });
