// Talks to a gateway through an unmodified Connect client and prints what it saw as one JSON object.
// Arguments: transport (node or web), format (json or binary), base URL, API key.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport as nodeTransport } from "@connectrpc/connect-node";
import { createConnectTransport as webTransport } from "@connectrpc/connect-web";
import { ErrorReason } from "./gen/parley/v1/error_reason_pb.js";
import { RunService, RunStatus } from "./gen/parley/v1/run_pb.js";
import { ThreadService } from "./gen/parley/v1/thread_pb.js";

const [kind, format, baseUrl, key] = process.argv.slice(2);
const authorize = (next) => (request) => {
  if (!request.header.has("x-api-key")) request.header.set("x-api-key", key);
  return next(request);
};
const options = { baseUrl, useBinaryFormat: format === "binary", interceptors: [authorize] };
const transport = kind === "node" ? nodeTransport({ ...options, httpVersion: "1.1" }) : webTransport(options);
const threads = createClient(ThreadService, transport);
const runs = createClient(RunService, transport);

async function failure(call) {
  try {
    await call();
    return null;
  } catch (error) {
    const refused = ConnectError.from(error);
    return {
      code: Code[refused.code],
      message: refused.rawMessage,
      details: refused.details.map((detail) => detail.type),
      requestId: refused.metadata.has("x-request-id"),
    };
  }
}

async function collect(stream) {
  const seen = { events: [], text: "", status: null, last: 0n };
  for await (const event of stream) {
    seen.events.push(event.payload.case);
    seen.last = event.sequence;
    if (event.payload.case === "textDelta") seen.text += event.payload.value.text;
    if (event.payload.case === "runEnded") seen.status = event.payload.value.status;
  }
  return { ...seen, last: Number(seen.last) };
}

const conversationKey = `connect-${kind}-${format}`;
const created = await threads.createThread({ name: "Connect", conversationKey });
const generated = await collect(runs.generate({ conversationKey, userMessage: { content: "héllo wörld ✓" } }));
const sent = await runs.sendMessage({ conversationKey, userMessage: { content: "again" } });
const replayed = await collect(runs.streamRun({ runId: sent.runId, afterSequence: 0n }));
const state = await threads.getConversationState({ conversationKey });
const aborter = new AbortController();
let watched = 0;
try {
  for await (const event of runs.watchThread({ conversationKey }, { signal: aborter.signal })) {
    watched += 1;
    if (Number(event.sequence) === replayed.last) aborter.abort();
  }
} catch (error) {
  if (ConnectError.from(error).code !== Code.Canceled) throw error;
}

console.log(
  JSON.stringify({
    created: { key: created.conversationKey, seconds: Number(created.createdAt.seconds) },
    generated,
    sent: { status: RunStatus[sent.status], runId: sent.runId },
    replayed,
    watched,
    lastSequence: Number(state.lastSequence),
    messages: state.messages.map((message) => [message.role, message.content]),
    missing: await failure(() => threads.getThread({ conversationKey: "nowhere" })),
    taken: await failure(() => threads.createThread({ conversationKey })),
    invalid: await failure(() => threads.getThread({ conversationKey: "x".repeat(300) })),
    unauthenticated: await failure(() =>
      threads.listThreads({}, { headers: { "x-api-key": "sk_live_wrong" } }),
    ),
    streamMissing: await failure(() => collect(runs.streamRun({ runId: "run_nowhere" }))),
    late: await failure(() => collect(runs.watchThread({ conversationKey }, { timeoutMs: 200 }))),
    knows: ErrorReason[ErrorReason.RUN_NOT_FOUND],
  }),
);
