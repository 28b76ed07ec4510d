/** The meta of the calls of an operator, who has the rights of an admin. */
export const OPERATOR = { caller: { internal: true, user: { sub: "operator", admin: true } } };
