(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  const rows = [...document.querySelectorAll(".op")];
  if (!rows.length) return;
  const depths = rows.map((row) => Number(row.dataset.depth));
  const folded = new Set();
  const search = byId("search");
  const found = byId("found");
  const all = found.textContent;
  let texts = null;

  const details = (row) => row.querySelector("details");
  const summary = (row) => row.querySelector("summary");
  const textOf = (index) => (texts ??= rows.map((row) => row.textContent.toLowerCase()))[index];

  /* A row is shown if it matches, or something inside it does, unless a row around it is folded. */
  function update() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = rows.map((_, index) => words.every((word) => textOf(index).includes(word)));
    let matches = 0;
    let inside = [];
    for (let index = rows.length - 1; index >= 0; index--) {
      const depth = depths[index];
      matches += wanted[index];
      wanted[index] ||= Boolean(inside[depth + 1]);
      if (wanted[index]) inside[depth] = true;
      inside.length = Math.min(inside.length, depth + 1);
    }
    let below = Infinity;
    rows.forEach((row, index) => {
      if (depths[index] <= below) below = Infinity;
      row.hidden = !wanted[index] || (below < Infinity && !words.length);
      if (folded.has(row) && below === Infinity) below = depths[index];
    });
    found.textContent = words.length ? `${matches} of ${rows.length} match` : all;
    byId("nothing").hidden = !words.length || matches > 0;
  }

  function fold(row, closed) {
    const button = row.querySelector(".fold");
    if (!button) return false;
    if (folded.has(row) === closed) return false;
    button.setAttribute("aria-expanded", String(!closed));
    closed ? folded.add(row) : folded.delete(row);
    update();
    return true;
  }

  function squeeze() {
    byId("squeeze").setAttribute("aria-pressed", String(root.classList.toggle("squeeze")));
  }

  function theme() {
    const next = { undefined: "light", light: "dark", dark: undefined }[root.dataset.theme];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    byId("theme").textContent = `Theme: ${next ?? "system"}`;
  }

  function openAll(open) {
    for (const row of rows) if (!row.hidden) details(row).open = open;
  }

  function focus(index, step) {
    while (index >= 0 && index < rows.length && rows[index].hidden) index += step;
    if (index < 0 || index >= rows.length) return;
    summary(rows[index]).focus();
    rows[index].scrollIntoView({ block: "nearest" });
  }

  function intoRow(row) {
    if (!fold(row, false)) details(row).open = true;
  }

  function outOfRow(row, index) {
    if (details(row).open) details(row).open = false;
    else if (!fold(row, true)) {
      let parent = index;
      while (parent >= 0 && depths[parent] >= depths[index]) parent--;
      focus(parent, -1);
    }
  }

  const keys = {
    "/": () => { search.focus(); search.select(); },
    s: squeeze,
    o: () => openAll(true),
    c: () => openAll(false),
    t: theme,
    "?": () => { byId("help").open = true; byId("help").scrollIntoView(); },
    j: (index) => focus(index + 1, 1),
    k: (index) => focus(index < 0 ? 0 : index - 1, -1),
  };
  const keysInRows = {
    ArrowDown: (index) => focus(index + 1, 1),
    ArrowUp: (index) => focus(index - 1, -1),
    ArrowRight: (index) => intoRow(rows[index]),
    ArrowLeft: (index) => outOfRow(rows[index], index),
    Home: () => focus(0, 1),
    End: () => focus(rows.length - 1, -1),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search) {
      if (event.key === "Escape") { search.value = ""; update(); search.blur(); }
      if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); focus(0, 1); }
      return;
    }
    const index = rows.indexOf(event.target.closest?.(".op"));
    const inSummary = index >= 0 && event.target === summary(rows[index]);
    const action = keys[event.key] ?? (inSummary ? keysInRows[event.key] : undefined);
    if (action) { event.preventDefault(); action(index); }
  });
  search.addEventListener("input", update);
  byId("squeeze").addEventListener("click", squeeze);
  byId("open").addEventListener("click", () => openAll(true));
  byId("close").addEventListener("click", () => openAll(false));
  byId("theme").addEventListener("click", theme);
  document.querySelector(".operations").addEventListener("click", (event) => {
    if (!event.target.matches(".fold")) return;
    const row = event.target.closest(".op");
    fold(row, !folded.has(row));
  });
})();
