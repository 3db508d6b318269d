/** How long audio takes on its way, from WebRTC's own statistics. */

/** Seconds between two reports to the agent. */
export const LINK_EVERY_S = 2;

/**
 * Round trip, jitter and mean time in the jitter buffer from a getStats report.
 *
 * @param {Iterable<object>} report values of an RTCStatsReport
 * @param {{delay: number, emitted: number}} before counters of the report before
 * @returns {{link: object, counters: object}} `link` in ms, null where unknown
 */
export function readLink(report, before = { delay: 0, emitted: 0 }) {
  const link = { rtt_ms: null, jitter_ms: null, playout_ms: null };
  let counters = before;
  for (const item of report) {
    if (item.type === "candidate-pair" && item.nominated && item.state === "succeeded") {
      if (Number.isFinite(item.currentRoundTripTime)) {
        link.rtt_ms = round(item.currentRoundTripTime * 1000);
      }
    }
    if (item.type === "inbound-rtp" && item.kind === "audio") {
      if (Number.isFinite(item.jitter)) link.jitter_ms = round(item.jitter * 1000);
      counters = { delay: item.jitterBufferDelay ?? 0, emitted: item.jitterBufferEmittedCount ?? 0 };
      const emitted = counters.emitted - before.emitted;
      if (emitted > 0) link.playout_ms = round(((counters.delay - before.delay) / emitted) * 1000);
    }
  }
  return { link, counters };
}

const round = (ms) => Math.round(ms * 10) / 10;

/** Report the link of a peer connection every LINK_EVERY_S seconds; returns how to stop. */
export function watchLink(connection, report) {
  let counters;
  const timer = setInterval(async () => {
    try {
      const stats = await connection.getStats();
      const read = readLink(stats.values(), counters);
      counters = read.counters;
      report(read.link);
    } catch {
      // A connection that is just closing has no statistics; the next tick is stopped.
    }
  }, LINK_EVERY_S * 1000);
  return () => clearInterval(timer);
}
