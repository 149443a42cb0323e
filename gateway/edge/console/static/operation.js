// Shows one operation: what it does, what it takes and what it answers.

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/** Gives all operations of the document, in its order. */
function operationsOf(document_) {
  return Object.entries(document_.paths || {}).flatMap(([path, item]) =>
    Object.entries(item).filter(([key]) => METHODS.includes(key) || key.startsWith("x-"))
      .map(([key, operation]) => ({verb: key.replace(/^x-/, ""), path, ...operation})));
}

/** Shows a value with its comment and, folded, its members. */
function fieldView(name, schema, required, description) {
  const own = resolved(schema);
  const limits = constraints(own);
  return el("li", {},
    el("div", {class: "field"}, el("code", {}, name), el("span", {class: "type"}, typeName(schema)),
      limits && el("span", {class: "type"}, limits),
      required ? el("span", {class: "need asked"}, "required") : el("span", {class: "maybe"}, "optional"),
      own.deprecated && el("span", {class: "need"}, "deprecated")),
    el("div", {class: "text"}, prose(description || own.description)), nestedView(schema));
}

/** Shows the members of a value, folded, and built only once it is opened: schemas may contain themselves. */
function nestedView(schema) {
  const target = inner(schema);
  if (!target) return null;
  const inside = el("div", {class: "inside"});
  const label = shortName(refName(target)) || "members";
  return el("details", {class: "nested", ontoggle: (event) => {
    if (event.target.open && !inside.hasChildNodes()) inside.append(...schemaView(target));
  }}, el("summary", {}, label), inside);
}

/** Shows the members of an object, or the alternatives of a choice. */
function schemaView(schema) {
  const own = resolved(schema);
  if (own.oneOf && !own.properties) return eventsView(own.oneOf.map(resolved));
  const target = own.properties ? own : resolved(inner(schema) || {});
  if (target.oneOf && !target.properties) return schemaView(inner(schema));
  const members = Object.entries(target.properties || {});
  if (!members.length) return [el("p", {class: "quiet small"}, typeName(schema) + " — no members")];
  const choices = (target.allOf || [target]).filter((each) => each.oneOf)
    .map((each) => each.oneOf.flatMap((one) => one.required || []));
  return [
    el("ul", {class: "fields"}, members.map(([name, member]) => fieldView(name, member, (target.required || []).includes(name)))),
    choices.map((names) => el("p", {class: "quiet small"}, "At most one of ", names.flatMap((name, at) => [at ? ", " : "", el("code", {}, name)]), ".")),
  ].flat();
}

/** Shows the events of a stream by name, each with what it carries; a message that all of them are is shown once. */
function eventsView(events) {
  const carried = events.map((event) => ({event, ...eventData((event.properties || {}).data || event)}));
  const whole = (carried.find((each) => each.whole) || {}).whole;
  return [
    el("ul", {class: "fields"}, carried.map(({event, schema, member}) => el("li", {},
      el("div", {class: "field"}, el("code", {}, event.title || "message"), el("span", {class: "type"},
        member ? [typeName(whole), " with ", el("code", {}, member), ` (${typeName(schema)})`] : typeName(schema))),
      el("div", {class: "text"}, prose(event.description)), nestedView(schema)))),
    whole && el("div", {class: "small quiet"}, "The other members of each:", nestedView(whole)),
  ];
}

function parametersView(operation) {
  const parameters = (operation.parameters || []).map(resolved);
  if (!parameters.length) return [];
  return [el("h2", {}, "Parameters"), el("ul", {class: "fields"}, parameters.map((parameter) => {
    const item = fieldView(parameter.name, parameter.schema, parameter.required, parameter.description);
    item.querySelector(".field").append(el("span", {class: "badge"}, parameter.in));
    return item;
  }))];
}

function bodyView(operation) {
  const body = operation.requestBody && resolved(operation.requestBody);
  if (!body) return [];
  return [el("h2", {}, "Body", !body.required && el("span", {class: "quiet small"}, " (may be empty)")),
    Object.entries(body.content).map(([media, content]) => contentView(media, content.schema))];
}

function contentView(media, schema, isStream) {
  const what = isStream ? "a stream of these:" : schema ? typeName(schema) : "any bytes";
  const head = el("p", {class: "small quiet"}, el("code", {}, media), " ", what);
  return [head, schema ? [isStream ? [] : prose(resolved(schema).description), schemaView(schema)] : null];
}

function repliesView(operation) {
  const replies = Object.entries(operation.responses || {}).map(([status, reference]) => {
    const reply = resolved(reference);
    const good = /^[23]/.test(status);
    const inside = el("div", {});
    const fill = () => {
      if (inside.hasChildNodes()) return;
      const [first, ...others] = Object.entries(reply.content || {});
      show(inside, good && reply["x-stream"] ? prose(reply.description) : [], first && contentView(first[0], first[1].schema, reply["x-stream"]),
        others.map(([media, content]) => el("details", {}, el("summary", {}, media), contentView(media, content.schema, reply["x-stream"]))));
    };
    if (good) fill();
    return el("details", {class: "reply", open: good, ontoggle: fill},
      el("summary", {}, el("span", {class: `status ${good ? "good" : "bad"}`}, status),
        good ? (reply["x-stream"] ? "Stream" : "Success") : inline(reply.description || "")), inside);
  });
  return [el("h2", {}, "Replies"), replies];
}

/** Shows who may call: the credentials, and the scope that they need. */
function accessView(operation) {
  if (!operation.security) return null;
  if (!operation.security.length) return el("span", {class: "badge"}, "no key needed");
  const scopes = [...new Set(operation.security.flatMap((each) => Object.values(each).flat()))];
  return [el("span", {class: "badge"}, "key: " + operation.security.map((each) => Object.keys(each).join(" + ")).join(" or ")),
    scopes.map((scope) => el("span", {class: "badge"}, scope))];
}

/** Shows a whole operation. */
function operationView(operation) {
  return [
    el("h1", {}, shortName(operation.operationId || operation.path)),
    el("div", {class: "route"}, el("span", {class: `verb ${operation.verb}`}, operation.verb), el("code", {}, operation.path)),
    el("div", {}, accessView(operation), operation.deprecated && el("span", {class: "badge problem"}, "deprecated")),
    prose(operation.description || operation.summary), parametersView(operation), bodyView(operation), tryView(operation), repliesView(operation),
  ];
}
