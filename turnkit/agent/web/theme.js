/** Dark and light: as the system has it until the user says otherwise. */
const KEY = "turnkit.theme";

function recall() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/**
 * Set the theme up and make the button switch it.
 *
 * @param {HTMLButtonElement} button
 * @param {string|null} wanted "dark" or "light" from the address, else null
 * @param {() => void} changed called after each change, the system's included
 */
export function setUpTheme(button, wanted, changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const valid = (theme) => (["dark", "light"].includes(theme) ? theme : null);
  let chosen = valid(wanted) ?? valid(recall());
  const apply = () => {
    const theme = chosen ?? (system.matches ? "dark" : "light");
    root.dataset.theme = theme;
    button.setAttribute("aria-label", theme === "dark" ? "Use the light theme" : "Use the dark theme");
    changed();
  };
  button.addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // nothing is remembered where storage is blocked
    }
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
