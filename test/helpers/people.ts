import type { User } from "../../services/users/users.contract.ts";
import type { TestService } from "./service.ts";

/** A user of the service, and the headers of the one who signed up. */
export type Person = User & { headers: { authorization: string } };

type Wish = {
  keycloakId?: string;
  email?: string;
  profile?: { fullName?: string; companyName?: string | null; phone?: string | null; bio?: string | null };
};

let count = 0;

/** A body for POST /users that nobody sent before. */
export function newUser({ keycloakId, email, profile }: Wish = {}) {
  const name = `person-${++count}`;
  return {
    keycloakId: keycloakId ?? name,
    email: email ?? `${name}@example.com`,
    profile: { fullName: `Person ${count}`, ...profile },
  };
}

/** Signs up a user, as the user's own call right after Keycloak. */
export async function createUser(service: TestService, wish: Wish = {}): Promise<Person> {
  const body = newUser(wish);
  const headers = await service.user(body.keycloakId);
  const { body: user } = await service.http.post("/api/v1/users").set(headers).send(body).expect(201);
  return { ...user, headers };
}

/** The user's row with every column, as the database holds it. */
export async function rowOf(service: TestService, id: string): Promise<Record<string, unknown>> {
  const [row] = await service.database.sql("SELECT * FROM users WHERE id = $1", [id]);
  if (!row) throw new Error(`There is no user ${id}`);
  return row;
}

/** All rows of all users: to be the same before and after what must change nothing. */
export const allRows = (service: TestService) => service.database.sql("SELECT * FROM users ORDER BY id");
