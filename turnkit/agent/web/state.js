/**
 * What the page knows of a call, as a pure function of the messages it got:
 * `reduce(state, message)` gives the next state and changes nothing. Parts that did not
 * change keep their identity, so that a view can see at a glance what to draw again.
 * Levels and scores are not here but in the ring (ring.js).
 */
import { HISTORY_S } from "./ring.js";

/** Most of anything that is kept besides its age. */
const MOST = 600;
/** Seconds within which two times mean the same moment: a frame and a half. */
const SAME = 0.03;

/** State before a call. */
export function initial() {
  return {
    call: null, // the hello message
    at: 0, // newest time of the call's clock that was seen
    phase: "listening",
    turns: [], // {key, turn, at, words, replies, record}; `turn` is null for sentences of
    //            the agent's own, such as its greeting
    extents: [], // the caller's turns: {start, end, decided, turn}
    pauses: [], // {start, end, outcome: "open" | "resumed" | "ended"}
    decisions: [], // {at, since, score, reason, turn, heeded, takenBack}
    fires: [], // of shadow detectors: {detector, at, since, verdict}
    talks: [], // the agent's speech, in stretches: {key, reply, start, end, outcome}
    marks: [], // {at, kind: "stop" | "barge-in" | "take-back" | "resume"}
    stats: null,
    errors: [], // {at, stage, text, fatal}
    ended: null, // why, in the agent's words
  };
}

const last = (list) => list[list.length - 1];

/** List with its last item changed. */
const amendLast = (list, change) => [...list.slice(0, -1), { ...last(list), ...change }];

/** List with an item more, without what is too old or too much. */
function append(list, item, at) {
  const kept = list.filter((old) => (old.end ?? old.at ?? old.start ?? at) > at - HISTORY_S);
  return [...kept.slice(-(MOST - 1)), item];
}

/** What a message's turn is kept under; sentences of the agent's own have no turn. */
export const turnKey = ({ turn, reply }) => turn ?? `reply ${reply}`;

/** The turn that a message is about, if it is known. */
export const turnOf = (state, message) =>
  state.turns.find(({ key }) => key === turnKey(message));

/** Turns with the message's one changed by `change(turn)`; made first if it is new. */
function changeTurn(turns, message, change) {
  const key = turnKey(message);
  const index = turns.findIndex((turn) => turn.key === key);
  if (index >= 0) return turns.with(index, { ...turns[index], ...change(turns[index]) });
  const { turn = null, at } = message;
  const fresh = { key, turn, at, words: null, replies: [], record: null };
  return append(turns, { ...fresh, ...change(fresh) }, at);
}

function changeReply(turn, number, change) {
  const index = turn.replies.findIndex((reply) => reply.reply === number);
  if (index >= 0) return turn.replies.with(index, { ...turn.replies[index], ...change });
  return [...turn.replies, { reply: number, state: "drafting", text: "", ...change }];
}

/** The caller went on: what fired in the pause before would have cut the turn. */
function cutFires(fires, from, to) {
  if (!fires.some((fire) => fire.verdict === "pending" && fire.at > from)) return fires;
  return fires.map((fire) =>
    fire.verdict === "pending" && fire.at > from && fire.at <= to
      ? { ...fire, verdict: "cut" }
      : fire,
  );
}

function settleFires(fires, start, speechEnd, until) {
  return fires.map((fire) => {
    if (fire.at < start || fire.at > until || fire.verdict === "cut") return fire;
    return { ...fire, verdict: fire.at < speechEnd - SAME ? "cut" : "after" };
  });
}

/** Phases in which speech is an overlap: its end ends no turn, unless it takes the floor. */
const TALKING = new Set(["agent speaking", "interrupted", "resuming"]);

const onEvent = {
  "speech started": (state, { at, since }) => {
    const open = last(state.extents);
    if (open && open.decided === null) return resumeSpeech(state, at, since);
    const extent = { start: since, end: null, decided: null, turn: null };
    return { ...state, extents: append(state.extents, extent, at) };
  },
  "speech paused": (state, { at, since }) => {
    const open = last(state.pauses);
    if (open && Math.abs(open.start - since) < SAME) return state; // a new score, no new pause
    const pause = { start: since, end: null, outcome: "open" };
    return { ...state, pauses: append(state.pauses, pause, at) };
  },
  "turn resumed": (state, { at, since }) => resumeSpeech(state, at, since),
  "turn ended": (state, { at, since, score, reason }) => {
    const heeded = !TALKING.has(state.phase);
    const decision = { at, since, score, reason, turn: null, heeded, takenBack: false };
    const next = { ...state, decisions: append(state.decisions, decision, at) };
    if (last(state.pauses)?.outcome === "open") {
      next.pauses = amendLast(state.pauses, { end: at, outcome: "ended" });
    }
    if (last(state.extents)?.decided === null) {
      next.extents = amendLast(state.extents, { end: since, decided: at });
    }
    return next;
  },
};

function resumeSpeech(state, at, since) {
  const next = { ...state };
  const start = last(state.extents)?.start ?? 0;
  next.fires = cutFires(state.fires, start, at);
  if (last(state.pauses)?.outcome === "open") {
    next.pauses = amendLast(state.pauses, { end: since, outcome: "resumed" });
  }
  return next;
}

function onShadowEvent(state, { at, since, detector, kind }) {
  if (kind !== "turn ended") return state;
  const fire = { detector, at, since, verdict: "pending" };
  return { ...state, fires: append(state.fires, fire, at) };
}

const MARKS = { stopped: "stop", interrupted: "barge-in", resumed: "resume" };
/** What ends a stretch of the agent's speech. */
const SILENT = new Set(["done", "interrupted", "taken back", "discarded", "stopped"]);

function onReply(state, message) {
  const { at, reply, state: now, text } = message;
  const next = { ...state };
  next.turns = changeTurn(state.turns, message, (old) => ({
    replies: changeReply(old, reply, text ? { state: now, text } : { state: now }),
  }));
  const open = last(state.talks);
  const speaking = open !== undefined && open.end === null;
  if ((now === "speaking" || now === "resumed") && !speaking) {
    const talk = { key: turnKey(message), reply, start: at, end: null, outcome: "speaking" };
    next.talks = append(state.talks, talk, at);
  }
  if (speaking && SILENT.has(now)) {
    next.talks = amendLast(state.talks, { end: at, outcome: now });
  } else if (open?.outcome === "stopped" && now === "interrupted") {
    next.talks = amendLast(state.talks, { outcome: now }); // it was silent since the stop
  }
  if (now === "taken back") return takeBack(next, at);
  if (MARKS[now]) next.marks = append(state.marks, { at, kind: MARKS[now] }, at);
  return next;
}

/** The last decision is undone, and so is what agreed with it. */
function takeBack(state, at) {
  const decision = last(state.decisions);
  if (!decision || decision.takenBack) return state;
  const extent = state.extents.findLast((one) => one.decided === decision.at);
  return {
    ...state,
    marks: append(state.marks, { at, kind: "take-back" }, at),
    decisions: amendLast(state.decisions, { takenBack: true }),
    fires: cutFires(state.fires, extent?.start ?? decision.since, at),
  };
}

function onPhase(state, { at, phase }) {
  const next = { ...state, phase };
  // A reply that was dropped without a word is over all the same.
  if (!TALKING.has(phase) && last(state.talks)?.end === null) {
    next.talks = amendLast(state.talks, { end: at, outcome: "done" });
  }
  if (phase === "committed" && last(state.decisions)?.heeded === false) {
    next.decisions = amendLast(state.decisions, { heeded: true });
  }
  // A commit without any reply yet is taken back by going on, and by nothing else.
  const undone = state.phase === "committed" && phase === "user speaking";
  return undone ? takeBack(next, at) : next;
}

/** A turn is through: its own times are truer than what was drawn as it went. */
function onTurn(state, message) {
  const { type, at, ...record } = message;
  const { turn, decided_at: decided, speech_end: speechEnd } = record;
  const next = { ...state, turns: changeTurn(state.turns, message, () => ({ record })) };
  if (decided === null || decided === undefined) return next;
  const same = (time) => time !== null && Math.abs(time - decided) < 10 * SAME;
  const takenBack = (decision) => decision.takenBack || record.outcome === "taken back";
  next.decisions = state.decisions.map((decision) =>
    same(decision.at)
      ? { ...decision, turn, heeded: true, takenBack: takenBack(decision) }
      : decision,
  );
  const extent = state.extents.findLast((one) => same(one.decided));
  if (extent) {
    const end = speechEnd ?? extent.end;
    next.extents = state.extents.map((one) => (one === extent ? { ...one, turn, end } : one));
    next.fires = settleFires(state.fires, extent.start, end, at);
  }
  return next;
}

const HANDLERS = {
  hello: (state, message) => ({ ...initial(), call: message, at: message.at }),
  frames: (state) => state,
  event: (state, message) =>
    message.detector === (state.call?.detector.name ?? message.detector)
      ? onEvent[message.kind](state, message)
      : onShadowEvent(state, message),
  phase: onPhase,
  words: (state, message) => {
    const { turn, committed, tail, final } = message;
    const words = { committed, tail, final };
    const next = { ...state, turns: changeTurn(state.turns, message, () => ({ words })) };
    if (state.extents.length && last(state.extents).turn === null) {
      next.extents = amendLast(state.extents, { turn });
    }
    return next;
  },
  reply: onReply,
  spoken: (state, message) => ({
    ...state,
    turns: changeTurn(state.turns, message, (old) => ({
      replies: changeReply(old, message.reply, { spoken: message.text }),
    })),
  }),
  turn: onTurn,
  stats: (state, message) => ({ ...state, stats: message }),
  error: (state, { at, stage, text, fatal }) => ({
    ...state,
    errors: [...state.errors.slice(-19), { at, stage, text, fatal }],
  }),
  bye: (state, { at, reason }) => ({
    ...state,
    ended: reason,
    talks: last(state.talks)?.end === null ? amendLast(state.talks, { end: at }) : state.talks,
  }),
};

/**
 * The state after a message.
 *
 * @param {object} state as `initial` or an earlier `reduce` gave it; not changed
 * @param {object} message as protocol.js let it through
 */
export function reduce(state, message) {
  const next = HANDLERS[message.type](state, message);
  return message.at > next.at ? { ...next, at: message.at } : next;
}
