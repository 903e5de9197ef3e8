// Types of the modules that Vite provides.
declare module "virtual:stage-schema" {
  /** JSON Schema of each field of a stage, from the contract. */
  const properties: Record<string, Record<string, unknown>>;
  export default properties;
}

/** Styles of a view that is loaded later: they are loaded with it. */
declare module "*.css";
