import { base, en, Faker } from "@faker-js/faker";
import type { UserRow } from "../../models/user.ts";

/** Generates plausible people, reproducibly: `seed` and the person's number determine everything. */

/** All dates are earlier than this: reproducible, and never in the future. */
const NEWEST = new Date("2025-10-06T10:00:00.000Z");
const YEAR = 365 * 24 * 3600 * 1000; // ms
const MEGABYTE = 1024 * 1024;

/** Returns a function that returns the next person on each call. */
export function people(seed: number): () => UserRow {
  const faker = new Faker({ locale: [en, base], seed });
  const { number: phone } = faker.phone;
  const { arrayElement: oneOf, maybe } = faker.helpers;
  const integer = (max: number) => faker.number.int(max);
  /** Mostly small numbers, sometimes large ones. */
  const few = (max: number) => Math.floor(max * faker.number.float() ** 4);
  const companies = Array.from({ length: 500 }, () => faker.company.name()); // people share companies, and a company name takes 50 µs
  const jobs = Array.from({ length: 200 }, () => faker.person.jobTitle());

  let n = 0;
  return () => {
    n++;
    const [first, last] = [faker.person.firstName(), faker.person.lastName()];
    const companyName = maybe(() => oneOf(companies)) ?? null;
    const createdAt = new Date(NEWEST.getTime() - integer(2 * YEAR));
    const interviewsCreated = few(200);
    const paying = interviewsCreated > 10;
    return {
      id: faker.string.uuid(),
      keycloakId: faker.string.uuid(),
      email: `${first}.${last}.${n}@example.com`.replaceAll(/[^\w.@-]/g, "").toLowerCase(),
      fullName: `${first} ${last}`,
      companyName,
      phone: maybe(() => phone({ style: "international" })) ?? null,
      bio: companyName && `${oneOf(jobs)} at ${companyName}`,
      preferences: oneOf([{}, {}, { language: "de", timezone: "Europe/Berlin" }, { language: "fr" }]),
      avatarUrl: null,
      avatarKey: null,
      avatarSize: 0,
      interviewsCreated,
      interviewsActive: integer(Math.min(5, interviewsCreated)),
      candidatesTotal: interviewsCreated * integer(8),
      storageUsed: interviewsCreated * integer(40 * MEGABYTE),
      maxInterviews: paying ? 1000 : 10,
      maxStorage: (paying ? 100 : 5) * 1024 * MEGABYTE,
      status: "active",
      statusReason: null,
      createdAt,
      updatedAt: new Date(createdAt.getTime() + integer(NEWEST.getTime() - createdAt.getTime())),
      deletedAt: null,
      version: 1,
    };
  };
}
