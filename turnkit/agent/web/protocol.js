/**
 * Messages of the agent: checked once, where they come in, so that nothing behind this
 * module has to doubt what it gets. Every message is a JSON object with `type`; `at` is
 * seconds on the call's clock, which counts the caller's audio as the agent received it.
 */

/** Longest text frame that is looked at; the agent's frames are a few kilobytes. */
export const MAX_CHARS = 262_144;

const number = (x) => typeof x === "number" && Number.isFinite(x);
const text = (x) => typeof x === "string";
const flag = (x) => typeof x === "boolean";
const record = (x) => typeof x === "object" && x !== null && !Array.isArray(x);
const maybe = (check) => (x) => x === null || x === undefined || check(x);
const oneOf = (...values) => (x) => values.includes(x);
const listOf = (check) => (x) => Array.isArray(x) && x.every(check);

/** Detector events, in the words of turnkit's TurnEvent. */
export const EVENT_KINDS = ["speech started", "speech paused", "turn resumed", "turn ended"];

/**
 * What a reply can be; "speaking" comes with its first audible sample. A "stopped" one is
 * held because somebody speaks over it, until it is "resumed" or "interrupted".
 */
export const REPLY_STATES = [
  "drafting", "adopted", "discarded", "speaking", "done", "interrupted", "taken back",
  "stopped", "resumed",
];

/** Phases of a call, in the order in which a smooth turn goes through them. */
export const PHASES = [
  "listening", "user speaking", "paused", "speculating",
  "committed", "agent speaking", "interrupted", "resuming",
];

const SHAPES = {
  hello: {
    call: text, mode: text, detector: record, shadows: listOf(text),
    stages: record, limits: maybe(record),
  },
  frames: {
    step: (x) => number(x) && x > 0,
    caller: listOf(number), agent: listOf(number),
    speech: listOf(maybe(number)), score: listOf(maybe(number)),
  },
  event: {
    since: number, detector: text, kind: oneOf(...EVENT_KINDS),
    score: maybe(number), reason: maybe(text),
  },
  phase: { phase: oneOf(...PHASES) },
  words: { turn: number, committed: text, tail: text, final: flag },
  reply: { turn: maybe(number), reply: number, state: oneOf(...REPLY_STATES), text: maybe(text) },
  spoken: { turn: maybe(number), reply: number, text },
  turn: {
    turn: number, mode: text, text: maybe(text), reply_text: maybe(text),
    speech_end: maybe(number), decided_at: maybe(number), reason: maybe(text),
    words_final_at: maybe(number), first_token_at: maybe(number),
    first_audio_at: maybe(number), sent_at: maybe(number),
    speculated: maybe(flag), adopted: maybe(flag), outcome: text, spans: maybe(record),
  },
  stats: { turns: number, v2v_ms: record, post_commit_ms: record, eot_ms: record, counts: record },
  error: { stage: text, text, fatal: flag },
  bye: { reason: text },
};

/** Why a message cannot be used, or null if it can. */
function fault(message) {
  const shape = SHAPES[message.type];
  if (!number(message.at)) return `${message.type}: "at" is no number`;
  for (const [key, check] of Object.entries(shape)) {
    if (!check(message[key])) return `${message.type}: "${key}" is not what it should be`;
  }
  if (message.type === "frames") {
    const n = message.caller.length;
    if ([message.agent, message.speech, message.score].some((list) => list.length !== n)) {
      return "frames: the lists differ in length";
    }
  }
  return null;
}

/**
 * Check a decoded message.
 *
 * @param {unknown} message
 * @returns {{message: object|null, fault: string|null}} `message` is null where the type
 *   is unknown (a newer agent: ignored) or where `fault` says what is wrong with it.
 */
export function check(message) {
  if (!record(message) || !text(message.type)) return { message: null, fault: "no typed object" };
  if (!Object.hasOwn(SHAPES, message.type)) return { message: null, fault: null };
  const problem = fault(message);
  return problem ? { message: null, fault: problem } : { message, fault: null };
}

/** Check a text frame; see `check`. */
export function parse(frame) {
  if (!text(frame)) return { message: null, fault: "not a text frame" };
  if (frame.length > MAX_CHARS) return { message: null, fault: "a text frame too long to read" };
  let decoded;
  try {
    decoded = JSON.parse(frame);
  } catch {
    return { message: null, fault: "not JSON" };
  }
  return check(decoded);
}

/** The page's own messages. */
export const hangupMessage = () => JSON.stringify({ type: "hangup" });
export const linkMessage = (link) => JSON.stringify({ type: "link", ...link });
