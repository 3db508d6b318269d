/** Texts for the timeline, [{start, end, text}], from the state of a call. */

const wordsOf = ({ words }) =>
  words ? [words.committed, words.tail].filter(Boolean).join(" ") : "";

/** The caller's words, each turn's once, under its first extent. */
export function callerTexts(state) {
  const texts = new Map(state.turns.map((turn) => [turn.turn, turn.record?.text || wordsOf(turn)]));
  return state.extents
    .filter(({ turn }, i) => texts.get(turn) && state.extents[i - 1]?.turn !== turn)
    .map(({ start, end, turn }) => ({ start, end: end ?? Infinity, text: texts.get(turn) }));
}

/** The agent's words, as far as they were played, each reply's once, stops and all. */
export function agentTexts(state) {
  return state.talks.flatMap(({ key, reply, start }, i) => {
    if (state.talks[i - 1]?.reply === reply) return [];
    const found = state.turns.find((one) => one.key === key);
    const text = found?.replies.find((one) => one.reply === reply)?.spoken;
    const { end } = state.talks.findLast((talk) => talk.reply === reply);
    return text ? [{ start, end: end ?? Infinity, text }] : [];
  });
}
