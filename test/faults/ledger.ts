/** What a user was promised: the test's own books, against which database and topic are judged. */
export type Account = {
  id: string;
  /** How many updates were tried; each puts its number into the profile. */
  updatesTried: number;
  /** The numbers of those that were answered with 2xx, in order. */
  updates: number[];
  /** increment-interviews: answered with 2xx, and without an answer. */
  increments: number;
  incrementsUnknown: number;
  /** What the neighbours' events add up to. */
  sums: { created: number; active: number; candidates: number; bytes: number };
};

export type Ledger = {
  /** The users whose creation was answered with 201. */
  accounts: Account[];
  /** Requests that were answered with 2xx, answered with 503, and cut off. */
  writes: number;
  refused: number;
  cutOff: number;
  /** The neighbours' events, each counted once however often it was sent. */
  events: number;
  /** What they sent that can't be counted. */
  poison: number;
  /** What is being done to the service; a wrong answer is reported with it. */
  fault: string;
  /** The longest that an answer took, in ms. */
  slowest: number;
  /** How long what stood still after a fault, in ms; the longest is judged. */
  gaps: { ms: number; what: string }[];
  /** Answers that should not be: neither 2xx nor, where it is allowed, 503; or none within 10 s. */
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

/** Enters a user whose creation was answered with 201. */
export function openAccount({ accounts }: Ledger, id: string): Account {
  const sums = { created: 0, active: 0, candidates: 0, bytes: 0 };
  const account = { id, updatesTried: 0, updates: [], increments: 0, incrementsUnknown: 0, sums };
  accounts.push(account);
  return account;
}
