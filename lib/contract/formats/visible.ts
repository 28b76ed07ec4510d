/** Controls, format characters, line separators, and letters that render as blank (Hangul fillers, blank Braille). */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/u;

/** A text that consists of these is blank: spaces, variation selectors, fillers. */
const BLANK = /^[\p{Default_Ignorable_Code_Point}\p{Z}]*$/u;

/** Scripts whose words are written with zero-width joiners and non-joiners (RFC 5892, A.1 and A.2). */
const JOINING_SCRIPTS = "Arab Syrc Mong Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Khmr".split(" ");
const JOINING_LETTERS = JOINING_SCRIPTS.map((script) => `\\p{scx=${script}}`).join("");
const JOINED_LETTERS = new RegExp(`([${JOINING_LETTERS}])[\u200c\u200d](?=[\\p{L}\\p{M}])`, "gu");
const JOINED_EMOJI =
  /(\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d(?=\p{Extended_Pictographic})/gu;

/** Whether every character of a line is visible, apart from spaces and the joiners that a script needs. */
export function isVisible(line: string): boolean {
  const rest = line.replace(JOINED_LETTERS, "$1").replace(JOINED_EMOJI, "$1");
  return !INVISIBLE.test(rest) && !BLANK.test(rest);
}
