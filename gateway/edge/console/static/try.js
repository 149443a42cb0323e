// The form that calls an operation, and shows what comes back while it comes.

let running = null;  // the AbortController of the call under way

/** Stops the call under way, if there is one. */
function stopCall() {
  if (running) running.abort();
  running = null;
}

/** Makes the input of a parameter. */
function inputFor(parameter) {
  const schema = resolved(parameter.schema || {});
  const id = `p-${parameter.in}-${parameter.name}`;
  const choices = schema.enum || (schema.type === "boolean" ? ["true", "false"] : null);
  if (choices) {
    return el("select", {id}, [parameter.required ? null : "", ...choices].filter((each) => each !== null)
      .map((each) => el("option", {value: String(each)}, String(each))));
  }
  if (schema.type === "array") return el("textarea", {id, class: "short", placeholder: "one a line"});
  return el("input", {id, type: "text", autocomplete: "off", spellcheck: "false", placeholder: typeName(parameter.schema || {})});
}

function row(label, input) {
  return el("div", {class: "row"}, el("label", {for: input.id}, label), input);
}

/** Shows the form of an operation. */
function tryView(operation) {
  if (!METHODS.includes(operation.verb)) return [];
  const inputs = (operation.parameters || []).map(resolved).map((parameter) => ({parameter, input: inputFor(parameter)}));
  const body = bodyInput(operation);
  const scheme = schemeInput(operation);
  const accept = acceptInput(operation);
  const outcome = el("div", {class: "outcome", "aria-live": "polite"});
  const send = el("button", {class: "main", type: "submit"}, "Send");
  const stop = el("button", {type: "button", disabled: true, onclick: stopCall}, "Stop");
  const curl = el("button", {type: "button", onclick: () => show(outcome, el("pre", {}, asCurl(compose())))}, "Show as curl");
  const compose = () => requestOf({operation, inputs, body: body && body.text, scheme, accept});
  const form = el("form", {novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    send.disabled = true; stop.disabled = false;
    const lastId = await call(compose(), outcome);
    send.disabled = false; stop.disabled = true;
    const resume = inputs.find((each) => each.parameter.name === "Last-Event-ID");
    if (resume && lastId) resume.input.value = lastId;
  }},
  inputs.map(({parameter, input}) => row([el("code", {}, parameter.name), parameter.required ? " *" : ""], input)),
  scheme.choice, accept && row("Accept", accept), body && body.view, el("div", {class: "actions"}, send, stop, curl), outcome);
  return [el("h2", {}, "Try it"), form];
}

function bodyInput(operation) {
  const content = operation.requestBody && resolved(operation.requestBody).content;
  if (!content) return null;
  const media = Object.keys(content)[0];
  const schema = content[media].schema;
  const text = el("textarea", {id: "p-body", spellcheck: "false", "aria-label": "Body"});
  const fill = (all) => { text.value = schema ? JSON.stringify(example(schema, all), null, 2) : ""; };
  fill(false);
  const every = el("input", {type: "checkbox", id: "p-all", onchange: (event) => fill(event.target.checked)});
  const view = [el("p", {class: "small quiet"}, el("code", {}, media === "*/*" ? "application/octet-stream" : media), " ",
    schema && el("label", {}, every, " all members")), text];
  return {text: {media, text}, view};
}

/** Offers the security schemes of the operation; the key itself stands at the top of the page. */
function schemeInput(operation) {
  const names = (operation.security || []).map((each) => Object.keys(each)[0]).filter(Boolean);
  if (!names.length) return {value: () => "", choice: null};
  const select = el("select", {id: "p-scheme"}, names.map((name) => el("option", {value: name}, name)));
  return {value: () => select.value, choice: row("Key goes in", select)};
}

function acceptInput(operation) {
  const good = Object.entries(operation.responses || {}).find(([status]) => /^2/.test(status));
  const media = good ? Object.keys(resolved(good[1]).content || {}) : [];
  return media.length > 1 ? el("select", {id: "p-accept"}, media.map((each) => el("option", {value: each}, each))) : null;
}

function requestOf({operation, inputs, body, scheme, accept}) {
  const headers = {};
  const query = [];
  let path = operation.path;
  for (const {parameter, input} of inputs) {
    const isList = resolved(parameter.schema || {}).type === "array";
    const values = isList ? input.value.split("\n").filter(Boolean) : [input.value];
    if (parameter.in === "path") path = intoPath(path, parameter, input.value);
    else if (parameter.in === "query") query.push(...values.filter((value) => value !== "").map((value) => [parameter.name, value]));
    else if (parameter.in === "header" && input.value) headers[parameter.name] = input.value;
  }
  if (accept) headers.Accept = accept.value;
  const text = body ? body.text.value : "";
  if (text) headers["Content-Type"] = body.media === "*/*" ? "application/octet-stream" : body.media;
  const key = keyHeader(scheme.value(), $("key").value.trim());
  if (key) headers[key[0]] = key[1];
  return {verb: operation.verb, url: urlOf(path, query), headers, body: text || null, secret: key && key[0], stream: Boolean(accept)};
}

/** Calls, shows the reply, and gives the id of the last event of a stream. */
async function call(request, outcome) {
  stopCall();
  const own = running = new AbortController();
  const began = performance.now();
  show(outcome, el("p", {class: "quiet"}, "Waiting…"));
  let lastId = "";
  try {
    const {verb, url, headers, body} = request;
    const reply = await fetch(url, {method: verb.toUpperCase(), headers, body, signal: own.signal, credentials: "omit", cache: "no-store"});
    const type = (reply.headers.get("content-type") || "").split(";")[0];
    const line = el("div", {class: "line"}, el("span", {class: `status ${reply.ok ? "good" : "bad"}`}, `${reply.status} ${reply.statusText}`),
      el("span", {class: "quiet small"}, `${Math.round(performance.now() - began)} ms`));
    show(outcome, line, headersView(reply));
    const events = type === "text/event-stream" ? eventsOf : type === "application/x-ndjson" ? linesAsEvents : null;
    if (events && reply.body) lastId = await showEvents(events(reply.body), outcome, line);
    else outcome.append(bodyOf(type, await reply.text()));
  } catch (error) {
    outcome.append(el("p", {class: "problem"}, error.name === "AbortError" ? "Stopped." : `No reply: ${error.message}`));
    lastId = outcome.dataset.lastId || "";
  }
  if (running === own) running = null;
  return lastId;
}

function headersView(reply) {
  return el("details", {}, el("summary", {}, "Headers"),
    el("pre", {}, [...reply.headers].map(([name, value]) => `${name}: ${value}`).join("\n")));
}

function bodyOf(type, text) {
  return text ? el("pre", {}, type === "application/json" ? pretty(text) : text) : el("p", {class: "quiet"}, "No body.");
}

/** Shows events as they come, the newest last; keeps to the end of the list unless the reader has scrolled away. */
async function showEvents(events, outcome, line) {
  const count = el("span", {class: "quiet small"});
  const list = el("ol", {class: "events"});
  line.append(count);
  outcome.append(list);
  outcome.dataset.lastId = "";
  let number = 0;
  for await (const {event, id, data} of events) {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    list.append(el("li", {}, el("div", {class: "head"}, el("span", {class: `event ${event === "error" ? "error" : ""}`}, event),
      id && el("span", {class: "quiet"}, `id ${id}`)), el("pre", {}, data.length < 100 ? data : pretty(data))));
    if (atEnd) list.scrollTop = list.scrollHeight;
    if (id) outcome.dataset.lastId = id;
    number++;
    count.textContent = `${number} event${number === 1 ? "" : "s"}`;
  }
  outcome.append(el("p", {class: "quiet small"}, "The stream has ended."));
  return outcome.dataset.lastId;
}
