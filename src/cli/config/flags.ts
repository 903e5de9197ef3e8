// Reads wrangler's flags as its own parser does, as far as the commands here must know them: which flag, with which
// values, and its original spelling.

export interface Flag {
  /** In kebab case, without its hyphens; empty for words before the first flag. */
  name: string;
  values: readonly string[];
  /** As they were written. */
  words: readonly string[];
}

/** Words that begin with a hyphen begin a flag; those after it are its values. */
export function readFlags(words: readonly string[]): Flag[] {
  const flags: { name: string; values: string[]; words: string[] }[] = [];
  for (const word of words) {
    const [, written, value] = /^--?([A-Za-z][\w-]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
    const last = flags.at(-1);
    if (written !== undefined) {
      const name = written.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      flags.push({ name, values: value === undefined ? [] : [value], words: [word] });
    } else if (last === undefined) {
      flags.push({ name: "", values: [word], words: [word] });
    } else {
      last.values.push(word);
      last.words.push(word);
    }
  }
  return flags;
}

/** The last value of a flag that takes one, under any of its names. */
export function valueOf(flags: readonly Flag[], ...names: string[]): string | undefined {
  return flags
    .filter(({ name }) => names.includes(name))
    .at(-1)
    ?.values.at(-1);
}

/** The flags without those of these names. */
export function without(flags: readonly Flag[], ...names: string[]): Flag[] {
  return flags.filter(({ name }) => !names.includes(name));
}

export function wordsOf(flags: readonly Flag[]): string[] {
  return flags.flatMap(({ words }) => words);
}

/** What `--var NAME:VALUE …` sets, the last one of a name last. */
export function variablesOf(flags: readonly Flag[]): Map<string, string> {
  const variables = new Map<string, string>();
  for (const value of flags.filter(({ name }) => name === "var").flatMap(({ values }) => values)) {
    const [name = "", ...rest] = value.split(":");
    variables.delete(name);
    variables.set(name, rest.join(":"));
  }
  return variables;
}

/** The same as flags of wrangler. */
export function variableWords(variables: Iterable<readonly [name: string, value: string]>): string[] {
  return Array.from(variables, ([name, value]) => ["--var", `${name}:${value}`]).flat();
}
