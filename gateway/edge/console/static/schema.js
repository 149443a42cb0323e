// Reads JSON Schemas of the document: what they refer to, how they are called, and an example of each.

let api = null;  // the OpenAPI document, once it is loaded

/** Follows a reference; what stands beside it (a description) wins over what it leads to. */
function resolved(part) {
  let result = part;
  for (let steps = 0; result && typeof result.$ref === "string" && steps < 16; steps++) {
    const {$ref, ...beside} = result;
    const target = $ref.split("/").slice(1).reduce((at, key) => at && at[key.replace(/~1/g, "/").replace(/~0/g, "~")], api);
    result = {...target, ...beside};
  }
  return result || {};
}

const refName = (schema) => (schema && schema.$ref ? schema.$ref.split("/").pop() : "");
const shortName = (name) => name.split(".").pop().replace(/-.*$/, "");

/** Names a type: "string (uuid)", "list of Thread", "one of …". */
function typeName(schema) {
  if (schema === true || schema === undefined) return "any";
  const own = resolved(schema);
  if (schema.$ref && !own.enum) return shortName(refName(schema));
  if (own.const !== undefined) return JSON.stringify(own.const);
  if (own.enum) return own.enum.map((each) => JSON.stringify(each)).join(" | ");
  if (own.anyOf) return [...new Set(own.anyOf.map(typeName))].join(" | ");
  if (own.allOf && own.allOf.length) return typeName(own.allOf[0]);
  if (own.contentSchema) return typeName(own.contentSchema);
  const types = [].concat(own.type || "any");
  if (types.includes("array")) types[types.indexOf("array")] = `list of ${typeName(own.items || {})}`;
  if (types.includes("object") && own.additionalProperties && typeof own.additionalProperties === "object") {
    types[types.indexOf("object")] = `map to ${typeName(own.additionalProperties)}`;
  }
  return types.join(" | ") + (own.format ? ` (${own.format})` : "");
}

const LIMITS = {
  int32: [-(2 ** 31), 2 ** 31 - 1], uint32: [0, 2 ** 32 - 1], int64: [-(2 ** 63), 2 ** 63], uint64: [0, 2 ** 64],
};

/** Says the constraints of a value, without those that every value of its format has. */
function constraints(schema) {
  const [low, high] = LIMITS[schema.format] || [];
  const said = [];
  const say = (keyword, text, usual) => {
    if (schema[keyword] !== undefined && schema[keyword] !== usual) said.push(`${text} ${schema[keyword]}`);
  };
  say("minimum", "≥", low); say("exclusiveMinimum", ">"); say("maximum", "≤", high); say("exclusiveMaximum", "<");
  say("minLength", "min length"); say("maxLength", "max length");
  say("minItems", "min items"); say("maxItems", "max items");
  if (schema.pattern && !schema.format && schema.pattern.length < 40) said.push(`matches ${schema.pattern}`);
  if (schema.uniqueItems) said.push("unique");
  if (schema.contentEncoding) said.push(schema.contentEncoding);
  return said.join(", ");
}

/** Finds the schema whose members are worth showing below a value: its own, its items', its map's values'. */
function inner(schema) {
  const own = resolved(schema);
  if (own.properties && Object.keys(own.properties).length) return schema;
  if (own.oneOf && !own.properties) return schema;
  const next = own.items || (typeof own.additionalProperties === "object" && own.additionalProperties)
    || (own.anyOf || own.allOf || []).find((each) => each.$ref) || own.contentSchema;
  return next && typeof next === "object" ? inner(next) : null;
}

/**
 * Reads what an event carries. Where it is a whole message with one member set, `member` names it and `schema` is the
 * member's own; `whole` is the message.
 */
function eventData(data) {
  const content = data.contentSchema || data;
  const [whole, demand] = content.allOf || [];
  const member = demand && demand.required && demand.required[0];
  const schema = member && (resolved(whole).properties || {})[member];
  return schema ? {schema, member, whole} : {schema: content, member: "", whole: null};
}

/** Makes an example. `all` fills in the optional members, too. */
function example(schema, all, depth = 0, above = []) {
  const own = resolved(schema);
  if (own.const !== undefined) return own.const;
  if (own.enum) return own.enum[0];
  if (own.anyOf) return example(own.anyOf[0], all, depth, above);
  if (own.allOf) return example(own.allOf[0], all, depth, above);
  switch ([].concat(own.type)[0]) {
    case "object": return exampleObject(own, refName(schema), all, depth, above);
    case "array": return depth < 4 && own.items && own.minItems ? [example(own.items, all, depth + 1, above)] : [];
    case "integer": case "number": return Math.max(0, own.minimum ?? 0, (own.exclusiveMinimum ?? -1) + 1);
    case "boolean": return false;
    case "string": return exampleText(own);
    default: return null;
  }
}

function exampleObject(own, name, all, depth, above) {
  const result = {};
  if (depth > 4 || (name && above.includes(name))) return result;
  const required = own.required || [];
  const alternatives = (own.oneOf || []).map((each) => (each.required || [])[0]).filter(Boolean);
  for (const [member, schema] of Object.entries(own.properties || {})) {
    if (!required.includes(member) && (!all || alternatives.slice(1).includes(member))) continue;
    result[member] = example(schema, all, depth + 1, [...above, name]);
  }
  return result;
}

function exampleText(own) {
  if (own.format === "uuid") return "00000000-0000-0000-0000-000000000000";
  if (own.format === "date-time") return new Date().toISOString();
  if (own.format === "int64" || own.format === "uint64") return "0";
  if (own.pattern && own.pattern.endsWith("s$")) return "1s";
  return own.minLength ? "text".padEnd(Math.min(own.minLength, 64), "x") : "";
}
