/**
 * What an operator needs to see when something went wrong, and nothing else: no session
 * descriptions, no addresses, no token, and not a word of what was said.
 */

/** A plain object, ready for JSON. */
export function collect({ config, state, callState, problems, faults, link }) {
  return {
    page: { origin: location.origin, browser: navigator.userAgent, secure: isSecureContext },
    config: config && {
      mode: config.mode,
      detector: config.detector,
      shadows: config.shadows,
      ice_servers: (config.ice_servers ?? []).length,
      token_required: config.token_required,
    },
    call: state.call && {
      id: state.call.call, mode: state.call.mode, stages: state.call.stages, limits: state.call.limits,
    },
    state: callState,
    ended: state.ended,
    clock_s: state.at,
    phase: state.phase,
    problems,
    stage_errors: state.errors,
    unreadable_messages: faults,
    link,
    stats: state.stats,
    turns: state.turns.slice(-20).map(({ turn, record }) => ({
      turn,
      outcome: record?.outcome ?? null,
      spans: record?.spans ?? null,
      reason: record?.reason ?? null,
    })),
  };
}

/** Copy text to the clipboard; where that is barred, offer it as a file. */
export async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "turnkit-diagnostics.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    button.textContent = "Saved as a file";
  }
  setTimeout(() => { button.textContent = label; }, 2500);
}
