/** The timeline in words: what the canvas shows, for those who cannot see it. */
import { el } from "./dom.js";
import { clock } from "./lanes.js";
import { answerTo } from "./marks.js";

const MOST = 30;
const VERDICTS = {
  cut: "would have cut you off",
  after: "would have fired",
  pending: "would have fired",
};

const ms = (seconds) => `${Math.round(seconds * 1000)} ms`;

/** Lines of text, newest first: [{at, text}]. */
export function lines(state) {
  const found = [];
  for (const { start, end, outcome } of state.pauses) {
    if (outcome !== "resumed") continue;
    found.push({ at: start, text: `You paused for ${ms(end - start)} and went on; it waited.` });
  }
  for (const decision of state.decisions) {
    const { at, since, score, reason, takenBack, heeded } = decision;
    const by = reason === "timeout" ? " by time-out" : score === null || score === undefined ? "" : ` with a score of ${score.toFixed(2)}`;
    const talk = takenBack ? null : answerTo(state, decision);
    const rest = !heeded
      ? " It was said over the agent, who went on."
      : takenBack
      ? " You went on, and it was taken back."
      : talk
        ? ` The agent was heard ${ms(talk.start - since)} after you stopped.`
        : "";
    found.push({ at, text: `Turn decided over ${ms(at - since)} after you stopped${by}.${rest}` });
  }
  for (const { detector, at, since, verdict } of state.fires) {
    found.push({ at, text: `${detector} ${VERDICTS[verdict]} ${ms(at - since)} into the silence.` });
  }
  const marks = {
    stop: "The agent stopped to hear whether you want the turn.",
    "barge-in": "You interrupted the agent.",
    "take-back": "The decision was taken back.",
    resume: "The agent resumed.",
  };
  for (const { at, kind } of state.marks) found.push({ at, text: marks[kind] });
  return found.sort((a, b) => b.at - a.at).slice(0, MOST);
}

/** Write the lines into a list. */
export function showLog(list, state) {
  const items = lines(state).map(({ at, text }) => el("li", {}, el("time", {}, clock(at, 2)), ` ${text}`));
  list.replaceChildren(...(items.length ? items : [el("li", {}, "Nothing yet.")]));
}

/** One sentence for the canvas. */
export function summary(state) {
  const newest = lines(state)[0];
  const about = `${state.decisions.length} decisions, ${state.pauses.length} pauses`;
  return newest ? `Timeline of the call: ${about}. Newest: ${newest.text}` : "Timeline of the call: nothing yet";
}
