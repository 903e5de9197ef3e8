// A variable of the environment whose value cannot be used, and who may see its value. Callers need no key to get this
// error, and a value that is wrong may be an address with a password in it, or a secret in the wrong place. So a value
// is hidden unless its variable is declared harmless: `shown` is set by `badSetting` alone.

export interface BadVariable {
  variable: string;
  /** What its value must be; never a part of the value. */
  expected: string;
  /** The value, for callers and the log. */
  shown?: string;
  /** The logged part of an address: its scheme and host. */
  logged?: string;
}

/** A number or a switch: harmless, and shown where it is as short as one. */
export function badSetting(variable: string, value: string, expected: string): BadVariable {
  return SETTING.test(value) ? { variable, expected, shown: value } : { variable, expected };
}

/** An address. */
export function badAddress(variable: string, value: string, expected: string): BadVariable {
  const logged = schemeAndHost(value);
  return logged === null ? { variable, expected } : { variable, expected, logged };
}

/** Every other variable, secrets above all: nothing of the value. */
export function badVariable(variable: string, expected: string): BadVariable {
  return { variable, expected };
}

/** What callers may see. */
export function forCallers({ variable, expected, shown }: BadVariable): Omit<BadVariable, "logged"> {
  return { variable, expected, ...(shown === undefined ? {} : { shown }) };
}

/** The fields of the operator's log line. */
export function forLog({ variable, expected, shown, logged }: BadVariable): Record<string, string> {
  const value = shown ?? logged;
  return { variable, expected, ...(value === undefined ? {} : { value }) };
}

/** An entry of a comma-separated list of addresses, named by its place in it. */
export function badEntry(
  variable: string,
  list: string | undefined,
  entry: string,
  expected: string,
): BadVariable {
  return badAddress(variable, entry, `${expected} (entry ${entryNumber(list, entry)} is not one)`);
}

/** The place of an entry in a comma-separated list, counted from 1: says which one is wrong without showing it. */
export function entryNumber(list: string | undefined, entry: string): number {
  const entries = (list ?? "").split(",").map((text) => text.trim().toLowerCase());
  return entries.indexOf(entry.toLowerCase()) + 1;
}

/** As long as `false` in any spelling, or a number; a key or a password is longer. */
const SETTING = /^[\w .+/-]{1,16}$/;

/**
 * `scheme://host`, without user, password, path and query; null where the text is not clearly an address. What has no
 * scheme is not: it may be a key as well as a host.
 *
 * Trap: a `/`, `?` or `#` in a password ends the authority for the URL parser, which then takes the user for the host
 * and leaves the rest of the password in the path. So an address with an `@` outside of its authority is not shown.
 */
function schemeAndHost(value: string): string | null {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value) || !URL.canParse(value)) return null;
  const { protocol, host, pathname, search, hash } = new URL(value);
  return host === "" || `${pathname}${search}${hash}`.includes("@") ? null : `${protocol}//${host}`;
}
