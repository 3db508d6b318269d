import assert from "node:assert/strict";
import { test } from "node:test";

const web = process.env.TURNKIT_WEB;
const { check, parse, MAX_CHARS } = await import(`${web}/protocol.js`);
const { Ring } = await import(`${web}/ring.js`);
const { axis, bars, parts, total, why } = await import(`${web}/spans.js`);
const { readLink } = await import(`${web}/link.js`);
const { agentTexts } = await import(`${web}/captions.js`);
const { answerTo } = await import(`${web}/marks.js`);
const { microphoneProblem, offerProblem, problem, stageProblem } = await import(`${web}/problems.js`);

const frames = (at, n, more = {}) => ({
  type: "frames", at, step: 0.02, caller: Array(n).fill(-20), agent: Array(n).fill(-90),
  speech: Array(n).fill(0.9), score: Array(n).fill(null), ...more,
});

test("messages that are whole pass as they are", () => {
  const message = frames(1, 5);
  assert.equal(check(message).message, message);
  assert.deepEqual(parse(JSON.stringify(message)).message, message);
  assert.equal(parse('{"type":"bye","at":3,"reason":"time is up"}').message.reason, "time is up");
});

test("unknown types are ignored without a fault", () => {
  assert.deepEqual(check({ type: "weather", at: 1 }), { message: null, fault: null });
  assert.deepEqual(check({ type: "toString", at: 1 }), { message: null, fault: null });
  // What the agent tells those who measure it.
  assert.deepEqual(check({ type: "pong", at: 1, sent: 0.5 }), { message: null, fault: null });
  const cancelled = { type: "cancelled", at: 1, reply: null, what: "stt", ms: 0.1 };
  assert.deepEqual(check(cancelled), { message: null, fault: null });
});

test("what cannot be used is named", () => {
  for (const [bad, said] of [
    ["{", /JSON/], ["[1]", /object/], ["null", /object/], ['{"at":1}', /object/],
    ['{"type":"bye","at":1}', /reason/], ['{"type":"bye","reason":"x"}', /"at"/],
    ['{"type":"bye","at":null,"reason":"x"}', /"at"/],
    ['{"type":"phase","at":1,"phase":"asleep"}', /phase/],
    ['{"type":"words","at":1,"turn":"1","committed":"","tail":"","final":true}', /turn/],
    [JSON.stringify(frames(1, 5, { agent: [] })), /length/],
    [JSON.stringify(frames(1, 5, { step: 0 })), /step/],
    [JSON.stringify(frames(1, 1, { caller: ["<b>"] })), /caller/],
    ["x".repeat(MAX_CHARS + 1), /long/],
    [new ArrayBuffer(4), /text/],
  ]) {
    const { message, fault } = parse(bad);
    assert.equal(message, null);
    assert.match(fault, said);
  }
});

test("a ring gives back what was written, and NaN elsewhere", () => {
  const ring = new Ring(0.02, 2);
  ring.write(frames(0.1, 5, { score: [null, null, 0.1, 0.2, 0.3] }));
  assert.deepEqual([0, 4].map((i) => ring.read("caller", i)), [-20, -20]);
  assert.ok(Number.isNaN(ring.read("score", 1)) && Number.isNaN(ring.read("caller", 5)));
  assert.ok(Math.abs(ring.read("score", 4) - 0.3) < 1e-6);
  ring.write(frames(0.4, 5)); // ten frames were lost before these
  assert.ok(Number.isNaN(ring.read("caller", 10)));
  assert.equal(ring.read("caller", 15), -20);
  for (let i = 1; i <= 60; i += 1) ring.write(frames(0.4 + i * 0.1, 5));
  assert.equal(ring.end, 320);
  assert.equal(ring.begin, 220);
  assert.ok(Number.isNaN(ring.read("caller", 219)));
  assert.equal(ring.read("caller", 319), -20);
});

test("a ring survives a jump far ahead and a message longer than itself", () => {
  const ring = new Ring(0.02, 1);
  ring.write(frames(0.1, 5));
  ring.write(frames(1000, 5));
  assert.equal(ring.read("caller", 49_999), -20);
  assert.ok(Number.isNaN(ring.read("caller", 49_990)));
  ring.write(frames(1010, 500));
  assert.equal(ring.read("caller", 50_450), -20);
  assert.equal(ring.caller.length, 50);
});

const record = {
  turn: 1, mode: "speculative", speech_end: 10, decided_at: 10.3, words_final_at: 10.25,
  first_token_at: 10.28, first_audio_at: 10.4, sent_at: 10.45, speculated: true, adopted: true,
  reason: "model", outcome: "answered",
  spans: { eot: 300, stt: 0, llm: 0, tts: 147, transport: 40, residual: 3 },
};
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

test("bars of a speculative turn overlap with the wait for the decision", () => {
  const found = Object.fromEntries(bars(record).map(({ key, from, to }) => [key, [from, to]]));
  near(found.eot[1], 300);
  near(found.llm[1], 280);
  assert.ok(found.llm[1] < found.eot[1]);
  near(found.held[0], 400);
  near(found.transport[1], 490);
  near(total(record), 490);
  near(parts(record).reduce((sum, { ms }) => sum + ms, 0), total(record));
});

test("bars of a batch turn come one after the other", () => {
  const batch = { ...record, mode: "batch", words_final_at: 10.5, first_token_at: 10.7, first_audio_at: 10.9, sent_at: 10.9 };
  const found = bars(batch).filter(({ key }) => key !== "transport");
  for (let i = 1; i < found.length; i += 1) near(found[i].from, found[i - 1].to);
});

test("a reply that was no draft begins with the decision", () => {
  const found = bars({ ...record, mode: "streaming", adopted: false, first_token_at: 10.4, first_audio_at: 10.44 });
  const llm = found.find(({ key }) => key === "llm");
  near(llm.from, 300);
  near(llm.to, 400);
});

test("a turn without an answer has no total and still its decision", () => {
  const none = { ...record, words_final_at: null, first_token_at: null, first_audio_at: null, sent_at: null, spans: {} };
  assert.equal(total(none), null);
  assert.deepEqual(bars(none).map(({ key }) => key), ["eot"]);
  assert.deepEqual(bars({ ...none, speech_end: null }), []);
});

test("why it answered, in words", () => {
  const detector = { threshold: 0.5, timeout_s: 2 };
  assert.match(why(record, { score: 0.8 }, detector), /300 ms after the last word \(score 0\.80, threshold 0\.50\).*adopted/);
  assert.match(why(record, { score: 0.5004 }, detector), /score 0\.5004, threshold 0\.5000/);
  assert.match(why({ ...record, reason: "timeout" }, null, detector), /time-out of 2 s/);
  assert.match(why({ ...record, outcome: "taken back" }, null, detector), /took that back/);
  assert.match(why({ ...record, speech_end: null }, null, detector), /Nothing is known/);
});

test("an axis covers what it shows in a handful of steps", () => {
  for (const most of [10, 250, 490, 1733, 6000, 40_000]) {
    const { step, end } = axis(most);
    assert.ok(end >= most && end / step <= 7 && Number.isInteger(end / step));
  }
});

test("the link is read from WebRTC's statistics", () => {
  const report = (delay, emitted) => [
    { type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.012 },
    { type: "candidate-pair", nominated: false, state: "succeeded", currentRoundTripTime: 9 },
    { type: "inbound-rtp", kind: "audio", jitter: 0.003, jitterBufferDelay: delay, jitterBufferEmittedCount: emitted },
  ];
  const first = readLink(report(48, 1000));
  assert.deepEqual(first.link, { rtt_ms: 12, jitter_ms: 3, playout_ms: 48 });
  const second = readLink(report(48 + 20, 2000), first.counters);
  assert.equal(second.link.playout_ms, 20); // of the time since, not of the whole call
  assert.deepEqual(readLink([]).link, { rtt_ms: null, jitter_ms: null, playout_ms: null });
});

test("every problem has a title and says what to do", () => {
  const found = [
    ...["NotAllowedError", "NotFoundError", "NotReadableError", "Odd"].map((name) => microphoneProblem({ name, message: "m" })),
    ...[400, 401, 403, 413, 500, 503].map((status) => offerProblem(status)),
    stageProblem({ stage: "tts", text: "t", fatal: false }),
    stageProblem({ stage: "alien", text: "t", fatal: true }),
    problem("insecure"), problem("ice"), problem("no such code"),
  ];
  for (const { title, advice } of found) assert.ok(title.length > 8 && advice.length > 15);
  const codes = found.map(({ code }) => code);
  assert.deepEqual(codes.slice(0, 4), ["denied", "no microphone", "busy", "unknown"]);
  assert.deepEqual(codes.slice(4, 10), ["refused", "token", "origin", "refused", "refused", "full"]);
});

test("a reply that was stopped and went on has its words once, and answers once", () => {
  const talk = (reply, start, end, outcome) => ({ key: 1, reply, start, end, outcome });
  const state = {
    turns: [{ key: 1, turn: 1, replies: [{ reply: 4, spoken: "Half past nine." }] }],
    talks: [talk(4, 3, 4, "stopped"), talk(4, 5, 6, "done")],
    decisions: [{ at: 2.5, since: 2 }, { at: 4.5, since: 4.2, heeded: false }],
  };
  assert.deepEqual(agentTexts(state), [{ start: 3, end: 6, text: "Half past nine." }]);
  assert.equal(answerTo(state, state.decisions[0]).start, 3);
  assert.equal(answerTo(state, state.decisions[1]), null);
});
