import type { User } from "../../services/users/users.contract.ts";
import type { TestService } from "./service.ts";

/** A user, and the headers that authenticate that user. */
export type Person = User & { headers: { authorization: string } };

type Wish = {
  keycloakId?: string;
  email?: string;
  profile?: { fullName?: string; companyName?: string | null; phone?: string | null; bio?: string | null };
};

let count = 0;

/** A body for POST /users with a new keycloakId and e-mail. */
export function newUser({ keycloakId, email, profile }: Wish = {}) {
  const name = `person-${++count}`;
  return {
    keycloakId: keycloakId ?? name,
    email: email ?? `${name}@example.com`,
    profile: { fullName: `Person ${count}`, ...profile },
  };
}

/** Creates a user with the token of that user. */
export async function createUser(service: TestService, wish: Wish = {}): Promise<Person> {
  const body = newUser(wish);
  const headers = await service.user(body.keycloakId);
  const { body: user } = await service.http.post("/api/v1/users").set(headers).send(body).expect(201);
  return { ...user, headers };
}

/** The row of the user with all columns. */
export async function rowOf(service: TestService, id: string): Promise<Record<string, unknown>> {
  const [row] = await service.database.sql("SELECT * FROM users WHERE id = $1", [id]);
  if (!row) throw new Error(`There is no user ${id}`);
  return row;
}

/** All rows of the table users, to check that a request changed nothing. */
export const allRows = (service: TestService) => service.database.sql("SELECT * FROM users ORDER BY id");
