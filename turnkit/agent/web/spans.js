/**
 * A turn's record as bars on one axis: milliseconds from the caller's end of speech.
 * Two pictures of the same turn: `bars` says when each stage was really at work, so that
 * in a speculative turn they overlap with the wait for the decision; `parts` says what
 * each stage added to the total, and sums to it with an explicit residual.
 */

/** Stages in the order of the pipeline, with what the page calls them. */
export const STAGES = [
  { key: "eot", name: "End of turn", short: "EOT" },
  { key: "stt", name: "Final words", short: "STT" },
  { key: "llm", name: "First token", short: "LLM" },
  { key: "tts", name: "First audio", short: "TTS" },
  { key: "transport", name: "Transport", short: "Network" },
  { key: "residual", name: "Residual", short: "Rest" },
];

const given = (x) => x !== null && x !== undefined;

/**
 * When each stage began and was done.
 *
 * @returns {{key: string, from: number, to: number}[]} in ms from the end of speech,
 *   stages that did not happen left out; a time before the end of speech is negative.
 */
export function bars(record) {
  const zero = record.speech_end;
  if (!given(zero) || !given(record.decided_at)) return [];
  const ms = (at) => (given(at) ? (at - zero) * 1000 : null);
  const [decided, words, token, audio, sent] = [
    record.decided_at, record.words_final_at, record.first_token_at,
    record.first_audio_at, record.sent_at,
  ].map(ms);
  const found = [{ key: "eot", from: 0, to: decided }];
  const add = (key, from, to) => {
    if (given(to)) found.push({ key, from: Math.min(from, to), to });
  };
  // Only `batch` holds its recogniser back until the decision; the others are at work
  // from the pause on.
  add("stt", record.mode === "batch" ? decided : 0, words);
  // Only a draft was begun before the decision.
  const llmFrom = record.adopted ? (words ?? 0) : Math.max(words ?? decided, decided);
  add("llm", llmFrom, token);
  const ttsFrom = token ?? llmFrom;
  add("tts", ttsFrom, audio);
  if (given(audio) && given(sent) && sent - audio >= 20) add("held", audio, sent);
  const transport = record.spans?.transport;
  if (given(sent) && given(transport)) add("transport", sent, sent + transport);
  return found;
}

/** Voice to voice in ms, transport included where it is known; null without an answer. */
export function total(record) {
  if (given(record.v2v_ms)) return record.v2v_ms;
  if (!given(record.speech_end) || !given(record.sent_at)) return null;
  return (record.sent_at - record.speech_end) * 1000 + (record.spans?.transport ?? 0);
}

/** What each stage added: [{key, ms}] of those that are known and not zero. */
export function parts(record) {
  return STAGES.map(({ key }) => ({ key, ms: record.spans?.[key] ?? null })).filter(
    ({ ms }) => given(ms) && Math.abs(ms) >= 0.5,
  );
}

/** From the decision to the first sample sent, in ms: without the transport. */
export function postCommit(record) {
  if (!given(record.sent_at) || !given(record.decided_at)) return null;
  return (record.sent_at - record.decided_at) * 1000;
}

/** A round upper end for an axis that shows `most` ms, and its step. */
export function axis(most) {
  const steps = [50, 100, 200, 250, 500, 1000, 2000, 5000];
  const step = steps.find((one) => most / one <= 6) ?? 10_000;
  return { step, end: Math.max(step, Math.ceil(most / step) * step) };
}

/** Two figures with as many digits as it takes to tell them apart. */
function compared(score, threshold) {
  const digits = [2, 3].find((n) => score.toFixed(n) !== threshold.toFixed(n)) ?? 4;
  return `${score.toFixed(digits)}, threshold ${threshold.toFixed(digits)}`;
}

/** Why it answered when it did: one sentence or two, for people. */
export function why(record, decision, detector) {
  const ms = (x) => `${Math.round(x)} ms`;
  if (!given(record.decided_at) || !given(record.speech_end)) {
    return "Nothing is known of when this turn ended.";
  }
  const eot = ms((record.decided_at - record.speech_end) * 1000);
  const score = decision?.score;
  const sure =
    record.reason === "timeout"
      ? `The silence reached the time-out${given(detector?.timeout_s) ? ` of ${detector.timeout_s} s` : ""}, ${eot} after the last word.`
      : `The detector took the turn to be over ${eot} after the last word` +
        (given(score) && given(detector?.threshold)
          ? ` (score ${compared(score, detector.threshold)}).`
          : ".");
  if (record.outcome === "taken back") return `${sure} You went on, so it took that back unheard.`;
  if (record.outcome === "failed") return `${sure} Then a stage failed, and there was no answer.`;
  const after = postCommit(record);
  if (after === null) return sure;
  const ready = given(record.first_audio_at) && record.first_audio_at <= record.decided_at;
  if (record.adopted && ready) return `${sure} The reply was waiting by then, already in sound.`;
  if (record.adopted) return `${sure} A reply begun in the pause was adopted and sent ${ms(after)} later.`;
  if (record.speculated) return `${sure} The draft begun in the pause no longer fitted; a new reply took ${ms(after)}.`;
  return `${sure} Words, reply and voice took ${ms(after)} more.`;
}
