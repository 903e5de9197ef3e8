// Classifies SQLite's errors on disk faults. They are only available as text: at a read inside the object, or, at a
// commit, outside every try/catch of the object, in the Worker that called it.

/** `full`: writes fail (for now). `corrupt`: the stored data is damaged. Null: any other error. */
export function sqliteFault(cause: unknown): "full" | "corrupt" | null {
  const text = cause instanceof Error ? cause.message : "";
  if (/SQLITE_(CORRUPT|NOTADB)|disk image is malformed|file is not a database/.test(text)) return "corrupt";
  if (/SQLITE_(FULL|IOERR|CANTOPEN|READONLY|NOMEM)|disk is full|disk I\/O error/.test(text)) return "full";
  return null;
}
