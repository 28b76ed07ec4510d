import { readFile } from "node:fs/promises";
import { administer } from "../helpers/keycloak.ts";
import { EMPTY_REALM } from "./keycloak-proxy.ts";

/** Changes a realm like an administrator, and records the events that must follow. */

/** An event that must be on user-events once. `isSaved`: Keycloak saved an event, which must be its cause. */
type Expected = { line: string; isSaved: boolean };

export type Realm = {
  /** By the id in Keycloak, in order. */
  expected: Map<string, Expected[]>;
  /** Whether Keycloak saves its events. */
  isSaving: boolean;
  /** People who were not changed yet. */
  active: Account[];
  disabled: Account[];
};
type Account = { id: string; username: string; email: string; enabled: boolean };

const IMPORT = 500;
/** One in so many people is disabled. */
const DISABLED = 10;

const run = crypto.randomUUID().slice(0, 8);
let count = 0;

/** Unique names and a unique e-mail. */
const newPerson = () => {
  const name = `${run}-${++count}`;
  const [email, firstName, lastName] = [`${name}@example.com`, "Ida", `Rhodes ${count}`];
  return { username: name, email, emailVerified: true, firstName, lastName, enabled: true };
};

/** Creates the realm with `users` people, and a second one without any. */
export async function fillRealm(users: number): Promise<Realm> {
  for (let first = 0; first < users; first += IMPORT) {
    const people = Array.from({ length: Math.min(IMPORT, users - first) }, newPerson);
    const some = people.map((person, index) => ({ ...person, enabled: index % DISABLED !== 0 }));
    await administer("POST", "partialImport", { ifResourceExists: "FAIL", users: some });
  }
  const everybody = await administer<Account[]>("GET", "users?briefRepresentation=true&max=1000000");
  const isPerson = ({ username }: Account) => !username.startsWith("service-account-");
  const events = ({ enabled }: Account) => ["user.created", ...(enabled ? [] : ["user.suspended"])];
  const expected = everybody.filter(isPerson).map((account): [string, Expected[]] => {
    return [account.id, events(account).map((line) => ({ line, isSaved: false }))];
  });
  const ours = shuffled(everybody.filter(({ username }) => username.startsWith(run)));
  const { true: active = [], false: disabled = [] } = Object.groupBy(ours, ({ enabled }) => `${enabled}`);
  await makeEmptyRealm();
  return { expected: new Map(expected), isSaving: true, active, disabled };
}

const shuffled = <Item>(items: Item[]): Item[] =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

async function makeEmptyRealm(): Promise<void> {
  const realm = JSON.parse(await readFile("test/realm.json", "utf8"));
  const users = realm.users.filter((user: object) => "serviceAccountClientId" in user);
  await administer("POST", "../../realms", { ...realm, realm: EMPTY_REALM, users }).catch((error: Error) => {
    if (!error.message.includes("409")) throw error; // created by an earlier run
  });
}

/** Keycloak saves no events while `work` runs. */
export async function withoutEvents(realm: Realm, work: () => Promise<void>): Promise<void> {
  const events = await administer<object>("GET", "events/config");
  const save = async (isSaving: boolean) => {
    await administer("PUT", "events/config", { ...events, adminEventsEnabled: isSaving });
    realm.isSaving = isSaving;
  };
  await save(false);
  await work().finally(() => save(true));
}

function expectEvent({ expected, isSaving }: Realm, id: string, line: string): void {
  expected.set(id, [...(expected.get(id) ?? []), { line, isSaved: isSaving }]);
}

/** The next person who was not changed yet, because two changes of one person may be read and published as one. */
function next(accounts: Account[]): Account {
  const account = accounts.pop();
  if (!account) throw new Error("Too few users for so many rounds");
  return account;
}

async function change(realm: Realm, { id }: Account, wish: object, line: string): Promise<void> {
  await administer("PUT", `users/${id}`, wish);
  expectEvent(realm, id, line);
}

const updated = (changes: object) => `user.updated ${JSON.stringify(changes)}`;

/** The kinds of changes. */
const CHANGES = {
  async create(realm: Realm) {
    expectEvent(realm, await administer<string>("POST", "users", newPerson()), "user.created");
  },
  async rename(realm: Realm) {
    const { firstName, lastName } = newPerson();
    await change(realm, next(realm.active), { lastName }, updated({ fullName: `${firstName} ${lastName}` }));
  },
  async email(realm: Realm) {
    const { email } = newPerson();
    await change(realm, next(realm.active), { email }, updated({ email }));
  },
  /** The first person gets a new e-mail, and each other one the old e-mail of the previous person: three changes. */
  async handOn(realm: Realm) {
    let { email } = newPerson();
    for (const account of [next(realm.active), next(realm.active), next(realm.active)]) {
      await change(realm, account, { email }, updated({ email }));
      email = account.email;
    }
  },
  disable: (realm: Realm) => change(realm, next(realm.active), { enabled: false }, "user.suspended"),
  enable: (realm: Realm) => change(realm, next(realm.disabled), { enabled: true }, "user.activated"),
  async remove(realm: Realm) {
    const { id } = next(realm.active);
    await administer("DELETE", `users/${id}`);
    expectEvent(realm, id, "user.deleted");
  },
};
type Kind = keyof typeof CHANGES;

/** The number of changes of each kind per round. Few deletions, because a sweep deletes at most 10 users. */
const MIX: Record<Kind, number> = {
  create: 4,
  rename: 4,
  email: 3,
  handOn: 1,
  disable: 2,
  enable: 2,
  remove: 2,
};
export const CHANGES_A_ROUND = 20;

/** Makes the changes of one round, in random order. */
export async function changeRealm(realm: Realm): Promise<void> {
  const kinds = Object.entries(MIX).flatMap(([kind, times]) => Array<Kind>(times).fill(kind as Kind));
  for (const kind of shuffled(kinds)) await CHANGES[kind](realm);
}

/** Deletes that number of people. */
export async function removePeople(realm: Realm, people: number): Promise<void> {
  for (let n = 0; n < people; n++) await CHANGES.remove(realm);
}
