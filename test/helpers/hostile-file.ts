/** The expected status: 200 means that the avatar is re-encoded; "200 or 415" if both are right, as for a flipped bit. */
export type Outcome = 200 | 413 | 415 | "200 or 415";
export type HostileFile = { name: string; outcome: Outcome; bytes: Buffer };

/** Inserted into each file that has a place for it; must never be served. */
export const MARK = "<script>alert('HOSTILE')</script>";

/** A file in the tables of hostile-images.ts. */
export type Row = [name: string, outcome: Outcome, bytes: Buffer];

/** A file cut off at every 5 %, and right before its end. */
export const truncated = (name: string, whole: Buffer): Row[] =>
  [
    ...Array.from({ length: 19 }, (_, n) => Math.floor((whole.length * (n + 1)) / 20)),
    ...[13, 3, 2, 1].map((lacking) => whole.length - lacking),
  ].map((length) => [`${name}, ${length} of ${whole.length} bytes`, 415, whole.subarray(0, length)]);

/** A file with one bit flipped, at places spread over it. */
export const flipped = (name: string, whole: Buffer, times: number): Row[] =>
  Array.from({ length: times }, (_, n) => {
    const at = 2 + Math.floor(((whole.length - 4) * n) / times);
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (n % 8));
    return [`${name}, bit ${n % 8} of byte ${at} flipped`, "200 or 415", bytes];
  });
