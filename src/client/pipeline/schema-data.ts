// The data that a JSON Schema describes, as far as its literal type says it; what it does not say is unknown.

interface Plain {
  string: string;
  number: number;
  integer: number;
  boolean: boolean;
  null: null;
}

/** The data that satisfy the schema: `const`, `enum`, `type`, `properties` with `required`, and `items` are read. */
export type SchemaData<Schema> = Schema extends { readonly const: infer Value }
  ? Value
  : Schema extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { readonly type: "object"; readonly properties: infer Properties }
      ? ObjectData<Properties, Schema extends { readonly required: readonly (infer Name)[] } ? Name : never>
      : Schema extends { readonly type: "array"; readonly items: infer Items }
        ? SchemaData<Items>[]
        : Schema extends { readonly type: keyof Plain }
          ? Plain[Schema["type"]]
          : unknown;

type ObjectData<Properties, Required> = {
  -readonly [Name in keyof Properties & Required]: SchemaData<Properties[Name]>;
} & {
  -readonly [Name in Exclude<keyof Properties, Required>]?: SchemaData<Properties[Name]>;
};
