// Dark or light. The choice stands in the address, so that it survives a reload and a bookmark; nothing is stored.

const PARAMETER = "theme";

/** @returns {"dark"|"light"} what the address asks for; a reading room is dark */
export function themeOf(search) {
  const asked = new URLSearchParams(search).get(PARAMETER);
  return asked === "light" ? asked : "dark";
}

export const theme = () => document.documentElement.dataset.theme ?? "dark";

/** @param {"dark"|"light"} chosen */
export function setTheme(chosen) {
  document.documentElement.dataset.theme = chosen;
  const address = new URL(location.href);
  if (chosen === "dark") address.searchParams.delete(PARAMETER);
  else address.searchParams.set(PARAMETER, chosen);
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

export function followAddress() {
  document.documentElement.dataset.theme = themeOf(location.search);
}
