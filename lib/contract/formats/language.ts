import { type Fault, fault } from "./fault.ts";

/** The irregular tags of RFC 5646 (2.2.8, a closed list) that Intl does not accept, with their preferred values. */
const GRANDFATHERED = new Map(
  Object.entries({
    "en-gb-oed": "en-GB-oxendict",
    "i-ami": "ami",
    "i-bnn": "bnn",
    "i-default": "i-default",
    "i-enochian": "i-enochian",
    "i-hak": "hak",
    "i-klingon": "tlh",
    "i-lux": "lb",
    "i-mingo": "i-mingo",
    "i-navajo": "nv",
    "i-pwn": "pwn",
    "i-tao": "tao",
    "i-tay": "tay",
    "i-tsu": "tsu",
    "no-bok": "nb",
    "no-nyn": "nn",
    "sgn-be-fr": "sfb",
    "sgn-be-nl": "vgt",
    "sgn-ch-de": "sgg",
    "zh-min": "zh-min",
    "zh-min-nan": "nan",
  }),
);

/** A language with an extended subtag. These are all the languages that have one in IANA's registry. */
const EXTENDED = /^(?:ar|kok|lv|ms|sgn|sw|uz|zh)-([a-z]{3})(?=-|$)/i;
const PRIVATE_USE = /^x(-[a-z0-9]{1,8})+$/i;

/**
 * A BCP 47 tag in canonical form (RFC 5646, 4.5): `EN-us` becomes `en-US`. Intl accepts Unicode's subset of these tags;
 * RFC 5646 also has extended languages (`zh-yue` becomes `yue`), grandfathered tags and private use.
 */
export function toLanguage(text: string): string | Fault {
  const grandfathered = GRANDFATHERED.get(text.toLowerCase());
  if (grandfathered) return grandfathered;
  if (PRIVATE_USE.test(text)) return text.toLowerCase();
  try {
    return Intl.getCanonicalLocales(text.replace(EXTENDED, "$1"))[0] ?? NOT_A_TAG;
  } catch {
    return NOT_A_TAG;
  }
}

const NOT_A_TAG = fault("must be a BCP 47 language tag");
