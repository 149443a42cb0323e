// Makes the request of a filled-in form, and reads streams.

/** Gives the URL of a path below the place that this page is served from. */
function urlOf(path, query) {
  const url = new URL(path.replace(/^\//, ""), new URL(".", location.href));
  for (const [name, value] of query) url.searchParams.append(name, value);
  return url;
}

/** Gives the header that carries the key under a security scheme, or null. */
function keyHeader(schemeName, key) {
  const scheme = ((api.components || {}).securitySchemes || {})[schemeName];
  if (!scheme || !key) return null;
  if (scheme.type === "http") return ["Authorization", `Bearer ${key}`];
  return scheme.type === "apiKey" && scheme.in === "header" ? [scheme.name, key] : null;
}

/** Puts a value into a path; only a variable of many segments keeps its slashes. */
function intoPath(path, parameter, value) {
  const text = parameter["x-multi-segment"] ? value.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(value);
  return path.split(`{${parameter.name}}`).join(text);
}

/** Writes the request as a command line, with the key left to the reader's shell. */
function asCurl(request) {
  const quote = (text) => `'${text.replace(/'/g, "'\\''")}'`;
  const parts = ["curl", request.stream ? "-N" : "", request.verb === "get" ? "" : `-X ${request.verb.toUpperCase()}`, quote(request.url.href)];
  for (const [name, value] of Object.entries(request.headers)) {
    const secret = request.secret === name;
    parts.push(secret ? `-H "${name}: ${name === "Authorization" ? "Bearer " : ""}$KEY"` : `-H ${quote(`${name}: ${value}`)}`);
  }
  if (request.body !== null) parts.push(`--data ${quote(request.body)}`);
  return parts.filter(Boolean).join(" \\\n  ").replace("curl \\\n  ", "curl ");
}

/** Yields the lines of a byte stream, without their ends. */
async function* linesOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) break;
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    yield* lines;
  }
  if (rest) yield rest;
}

/** Yields the events of a text/event-stream as {event, id, data}; comments are passed over. */
async function* eventsOf(stream) {
  let event = {event: "message", id: "", data: []};
  for await (const line of linesOf(stream)) {
    if (line === "") {
      if (event.data.length) yield {...event, data: event.data.join("\n")};
      event = {event: "message", id: "", data: []};
      continue;
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line) || [];
    if (field === "data") event.data.push(value || "");
    else if (field === "event" || field === "id") event[field] = value || "";
  }
}

/** Yields the lines of application/x-ndjson in the shape of events. */
async function* linesAsEvents(stream) {
  for await (const line of linesOf(stream)) {
    if (!line) continue;
    let parsed = {};
    try { parsed = JSON.parse(line); } catch { parsed = {data: line}; }
    yield {event: parsed.event || "message", id: parsed.id || "", data: JSON.stringify(parsed.data)};
  }
}

/** Indents JSON without reading it into numbers: integers of 64 bits stay as they were sent. */
function pretty(text) {
  try { JSON.parse(text); } catch { return text; }
  let depth = 0;
  const indent = () => "\n" + "  ".repeat(depth);
  return text.replace(/"(?:[^"\\]|\\.)*"|[{}[\],:]|\s+|[^\s{}[\],:"]+/g, (token, at) => {
    if (/^\s/.test(token)) return "";
    if (token === "{" || token === "[") {
      if (/^\s*[}\]]/.test(text.slice(at + 1))) return token;
      depth++;
      return token + indent();
    }
    if (token === "}" || token === "]") {
      if (/[{[]\s*$/.test(text.slice(0, at))) return token;
      depth--;
      return indent() + token;
    }
    return token === "," ? token + indent() : token === ":" ? ": " : token;
  });
}
