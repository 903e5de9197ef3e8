// Erasure in SQLite: what a statement deletes or replaces stays in the file, in space that is free, until something else
// is written there; workerd allows neither `secure_delete` nor VACUUM. A value that is replaced by one of the same size
// is overwritten where it is: so texts become fillers of their own length before their row goes or changes.

/** The assignments of an UPDATE that overwrites these columns, which hold texts or null. */
export function overwriting(columns: readonly string[]): string {
  const filler = (column: string) => `replace(hex(zeroblob(length(CAST(${column} AS BLOB)))), '00', '-')`;
  return columns.map((column) => `${column} = iif(${column} IS NULL, NULL, ${filler(column)})`).join(", ");
}
