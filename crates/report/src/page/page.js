"use strict";
(() => {
  const root = document.documentElement;
  const said = document.getElementById("said");
  let timer = 0;
  const say = (text) => {
    said.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { said.textContent = ""; }, 2500);
  };

  // The theme: the system's, until the reader asks for the other one. Storage may be forbidden; the button works without.
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const recall = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* not kept */ } };
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  const kept = recall();
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep(root.dataset.theme);
    label();
  });
  system.addEventListener("change", label);
  button.hidden = false;
  label();

  // "12.3 M", "1,024", "99.2 %", "[98.1, 99.0] %", "2 min 5 s", "0.6 GiB": the number that a cell begins with, in its unit.
  const units = { k: 1e3, M: 1e6, G: 1e9, B: 1, KiB: 1024, MiB: 1048576, GiB: 1073741824, TiB: 1099511627776, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600 };
  const value = (text) => {
    const found = text.replace(/−/g, "-").replace(/,(?=\d{3}(\D|$))/g, "").match(/^[^\d-]*(-?\d+(?:\.\d+)?)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?\s*(KiB|MiB|GiB|TiB|µs|ms|min|[kMGBsh])?(?![A-Za-z])/);
    if (!found) return NaN;
    const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    const power = found[2] ? Number([...found[2]].map((one) => (one === "⁻" ? "-" : digits.indexOf(one))).join("")) : 0;
    return Number(found[1]) * 10 ** power * (units[found[3]] || 1);
  };
  const sort = (table, column, numeric) => {
    const head = table.tHead.rows[0].cells[column];
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row, place) => {
      const text = row.cells[column].textContent;
      return { row, place, key: numeric ? value(text) : text };
    });
    const compare = (a, b) => {
      if (numeric) {
        // What is no number stays at the end.
        if (Number.isNaN(a.key) || Number.isNaN(b.key)) return Number.isNaN(a.key) - Number.isNaN(b.key) || a.place - b.place;
        return (up ? a.key - b.key : b.key - a.key) || a.place - b.place;
      }
      const order = a.key.localeCompare(b.key, "en", { numeric: true });
      return (up ? order : -order) || a.place - b.place;
    };
    for (const { row } of rows.sort(compare)) table.tBodies[0].append(row);
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Without permission or on old pages: the way of a text field.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  };
  const tsv = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.replace(/[\t\n]/g, " ")).join("\t")).join("\n") + "\n";

  for (const box of document.querySelectorAll(".box")) {
    const table = box.querySelector("table");
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const name = document.createElement("button");
      name.type = "button";
      name.textContent = head.textContent;
      head.replaceChildren(name);
      name.addEventListener("click", () => sort(table, column, head.classList.contains("number")));
    });
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy table";
    button.addEventListener("click", async () => say(await copy(tsv(table)) ? "Copied as tab-separated values" : "The browser does not allow copying"));
    box.querySelector(".about").append(button);
  }
})();
