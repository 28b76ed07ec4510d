/** The answers about one user: the test's own record, with which database and topics are compared. */
export type Account = {
  id: string;
  /** The number of attempted updates; each writes its number into the profile. */
  updatesTried: number;
  /** The numbers of the updates that were answered with 2xx, in order. */
  updates: number[];
  /** increment-interviews: answered with 2xx, and without an answer. */
  increments: number;
  incrementsUnknown: number;
  /** The sums of the events from other services. */
  sums: { created: number; active: number; candidates: number; bytes: number };
};

export type Ledger = {
  /** The users whose creation was answered with 201. */
  accounts: Account[];
  /** Requests that were answered with 2xx, answered with 503, and cut off. */
  writes: number;
  refused: number;
  cutOff: number;
  /** Distinct valid events from other services. Some are sent several times. */
  events: number;
  /** Invalid events from other services. */
  poison: number;
  /** The current fault, which is reported with each wrong answer. */
  fault: string;
  /** The time of the slowest answer, in ms. */
  slowest: number;
  /** The time without progress after each fault, in ms, and what made none. The longest is checked. */
  gaps: { ms: number; what: string }[];
  /** Unexpected answers: neither 2xx nor an allowed 503, or none within 10 s. */
  wrong: string[];
};

export const newLedger = (): Ledger => ({
  accounts: [],
  writes: 0,
  refused: 0,
  cutOff: 0,
  events: 0,
  poison: 0,
  fault: "no fault",
  slowest: 0,
  gaps: [],
  wrong: [],
});

/** Adds a user whose creation was answered with 201. */
export function openAccount({ accounts }: Ledger, id: string): Account {
  const sums = { created: 0, active: 0, candidates: 0, bytes: 0 };
  const account = { id, updatesTried: 0, updates: [], increments: 0, incrementsUnknown: 0, sums };
  accounts.push(account);
  return account;
}
