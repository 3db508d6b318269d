import assert from "node:assert/strict";
import { test } from "node:test";

const { initial, reduce } = await import(`${process.env.TURNKIT_WEB}/state.js`);

const hello = {
  type: "hello", at: 0, call: "c", mode: "speculative", detector: { name: "ours", threshold: 0.5 },
  shadows: ["vad:600"], stages: {}, limits: null,
};
const event = (kind, at, since, more = {}) => ({
  type: "event", at, since, detector: "ours", kind, score: null, reason: null, ...more,
});
const shadow = (at, since) => event("turn ended", at, since, { detector: "vad:600" });
const reply = (at, turn, state, more = {}) => ({ type: "reply", at, turn, reply: 1, state, ...more });
const words = (at, turn, committed, tail = "", final = false) => ({
  type: "words", at, turn, committed, tail, final,
});
const freeze = (value) => {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
};
/** Run messages through the reducer, every state frozen: a change in place would throw. */
const run = (...messages) =>
  messages.reduce((state, message) => freeze(reduce(state, freeze(message))), freeze(initial()));

test("a hello forgets the call before", () => {
  const state = run(hello, words(1, 1, "hi"), { type: "bye", at: 2, reason: "over" }, { ...hello, call: "d" });
  assert.equal(state.call.call, "d");
  assert.deepEqual([state.turns, state.ended, state.at], [[], null, 0]);
});

test("the clock never goes back", () => {
  const state = run(hello, words(5, 1, "a"), words(4, 1, "a b"));
  assert.equal(state.at, 5);
  assert.equal(state.turns[0].words.committed, "a b");
});

test("a turn: speech, pause, decision", () => {
  const state = run(
    hello, event("speech started", 1.1, 1), words(1.5, 7, "so"),
    event("speech paused", 3.1, 3), event("speech paused", 3.2, 3, { score: 0.4 }),
    event("turn ended", 3.3, 3, { score: 0.8, reason: "model" }),
  );
  assert.deepEqual(state.extents, [{ start: 1, end: 3, decided: 3.3, turn: 7 }]);
  assert.deepEqual(state.pauses, [{ start: 3, end: 3.3, outcome: "ended" }]);
  assert.equal(state.decisions.length, 1);
  assert.equal(state.decisions[0].score, 0.8);
});

test("a shadow that fires in a hold would have cut the caller; after the end it would not", () => {
  const hold = [hello, event("speech started", 1.1, 1), event("speech paused", 2.1, 2), shadow(2.6, 2)];
  assert.equal(run(...hold).fires[0].verdict, "pending");
  const went = [...hold, event("turn resumed", 3, 2.95)];
  assert.equal(run(...went).fires[0].verdict, "cut");
  const over = [...went, event("turn ended", 4.3, 4), shadow(4.6, 4), event("speech started", 9, 8.9),
    event("speech paused", 9.5, 9.4), event("turn resumed", 9.9, 9.8)];
  assert.deepEqual(run(...over).fires.map((fire) => fire.verdict), ["cut", "pending"]);
});

test("a turn's record settles the end of speech and the shadows", () => {
  const record = {
    type: "turn", at: 5, call_id: "c", turn: 1, mode: "batch", text: "a", reply_text: "b",
    speech_end: 4.05, decided_at: 4.3, outcome: "answered", spans: {},
  };
  const state = run(
    hello, event("speech started", 1.1, 1), shadow(3.5, 3), event("turn ended", 4.3, 4), shadow(4.6, 4), record,
  );
  assert.equal(state.extents[0].end, 4.05);
  assert.equal(state.extents[0].turn, 1);
  assert.equal(state.decisions[0].turn, 1);
  assert.deepEqual(state.fires.map((fire) => fire.verdict), ["cut", "after"]);
  assert.equal(state.turns[0].record.text, "a");
  assert.ok(!("type" in state.turns[0].record));
});

test("a take-back marks the decision and the shadows that agreed with it", () => {
  const state = run(
    hello, event("speech started", 1.1, 1), shadow(2.35, 2), event("turn ended", 2.3, 2),
    reply(2.3, 1, "adopted"), reply(2.5, 1, "taken back"),
  );
  assert.equal(state.decisions[0].takenBack, true);
  assert.equal(state.fires[0].verdict, "cut");
  assert.deepEqual(state.marks, [{ at: 2.5, kind: "take-back" }]);
});

test("the agent's speech: begun, cut off, resumed, done", () => {
  const state = run(
    hello, reply(1, 1, "speaking"), { type: "spoken", at: 1.5, turn: 1, reply: 1, text: "Half past" },
    reply(2, 1, "interrupted"), reply(3, 1, "resumed"), reply(4, 1, "done"),
  );
  assert.deepEqual(state.talks.map(({ start, end, outcome }) => [start, end, outcome]), [
    [1, 2, "interrupted"], [3, 4, "done"],
  ]);
  assert.deepEqual(state.marks.map(({ kind }) => kind), ["barge-in", "resume"]);
  assert.equal(state.turns[0].replies[0].spoken, "Half past");
  assert.equal(state.turns[0].replies[0].state, "done");
});

test("a stop is silence until the reply goes on or is given up", () => {
  const stopped = [hello, reply(1, 1, "speaking"), reply(2, 1, "stopped")];
  const silent = run(...stopped);
  assert.deepEqual(silent.talks.map(({ end, outcome }) => [end, outcome]), [[2, "stopped"]]);
  assert.deepEqual(silent.marks, [{ at: 2, kind: "stop" }]);
  const on = run(...stopped, reply(3, 1, "resumed"), reply(4, 1, "done"));
  assert.deepEqual(on.talks.map(({ start, end, outcome }) => [start, end, outcome]), [
    [1, 2, "stopped"], [3, 4, "done"],
  ]);
  const off = run(...stopped, reply(2.5, 1, "interrupted"));
  assert.deepEqual(off.talks.map(({ end, outcome }) => [end, outcome]), [[2, "interrupted"]]);
  assert.deepEqual(off.marks.map(({ kind }) => kind), ["stop", "barge-in"]);
});

test("what did not change keeps its identity", () => {
  const before = run(hello, words(1, 1, "a"), words(2, 2, "b"));
  const after = reduce(before, words(3, 2, "b c"));
  assert.equal(after.turns[0], before.turns[0]);
  assert.notEqual(after.turns[1], before.turns[1]);
  assert.equal(after.extents, before.extents);
  const frames = { type: "frames", at: 3.1, step: 0.02, caller: [], agent: [], speech: [], score: [] };
  assert.equal(reduce(after, frames).turns, after.turns);
});

test("sentences of the agent's own have no turn and do not run together", () => {
  const said = (at, number, text) => ({ type: "spoken", at, turn: null, reply: number, text });
  const state = run(
    hello, reply(0.2, null, "speaking"), said(0.5, 1, "Hello."), reply(1, null, "done"),
    words(2, 1, "hi"), reply(4, null, "speaking", { reply: 2 }), said(4.2, 2, "Sorry."),
  );
  assert.deepEqual(state.turns.map(({ turn }) => turn), [null, 1, null]);
  assert.deepEqual(state.turns.map(({ replies }) => replies[0]?.spoken), ["Hello.", undefined, "Sorry."]);
  assert.equal(state.talks[1].key, state.turns[2].key);
});

test("a commit without a reply is taken back by going on", () => {
  const phase = (at, name) => ({ type: "phase", at, phase: name });
  const state = run(
    hello, event("speech started", 1.1, 1), phase(1.1, "user speaking"), event("turn ended", 2.3, 2),
    phase(2.3, "committed"), event("speech started", 2.5, 2.45), phase(2.5, "user speaking"),
  );
  assert.equal(state.decisions[0].takenBack, true);
  assert.deepEqual(state.marks, [{ at: 2.5, kind: "take-back" }]);
});

test("the end of an mm-hm is a decision that nobody heeds, until it takes the floor", () => {
  const phase = (at, name) => ({ type: "phase", at, phase: name });
  const over = [hello, reply(1, 1, "speaking"), phase(1, "agent speaking"),
    event("speech started", 2.1, 2), phase(2.1, "interrupted"), event("turn ended", 2.8, 2.4)];
  assert.equal(run(...over).decisions[0].heeded, false);
  assert.equal(run(...over, phase(2.9, "agent speaking")).decisions[0].heeded, false);
  assert.equal(run(...over, reply(2.9, 1, "interrupted"), phase(2.9, "committed")).decisions[0].heeded, true);
});

test("a reply that was dropped without a word is over", () => {
  const phase = { type: "phase", at: 3, phase: "user speaking" };
  assert.equal(run(hello, reply(1, 1, "speaking"), phase).talks[0].end, 3);
  assert.equal(run(hello, reply(1, 1, "speaking"), { type: "bye", at: 4, reason: "x" }).talks[0].end, 4);
});

test("memory is bounded by age and by number", () => {
  let state = run(hello);
  for (let i = 0; i < 3000; i += 1) {
    state = reduce(state, event("speech paused", i * 2 + 1, i * 2));
    state = reduce(state, words(i * 2 + 1, i, "a"));
    state = reduce(state, { type: "error", at: i * 2, stage: "stt", text: "x", fatal: false });
  }
  assert.ok(state.pauses.length <= 600 && state.pauses.length > 300);
  assert.ok(state.turns.length <= 600);
  assert.equal(state.errors.length, 20);
  assert.equal(state.turns.at(-1).turn, 2999);
});
