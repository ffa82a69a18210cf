// Sorting and filtering of what is already in the page: without this script the page is complete.
"use strict";
const status = document.getElementById("status");

// "12,345 ±2%" is 12345, "1–3" is 1, "×0.9" is 0.9; what holds no figure comes last.
function figure(text) {
  const found = text.replaceAll(",", "").match(/-?\d+(\.\d+)?/);
  return found ? Number(found[0]) : NaN;
}

function compare(a, b, isText) {
  if (isText) return a.localeCompare(b, "en", { numeric: true });
  const [x, y] = [figure(a), figure(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  return x - y;
}

function sort(table, header) {
  const column = header.cellIndex;
  const isText = header.classList.contains("text");
  const descends = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descends ? "descending" : "ascending");
  const body = table.tBodies[0];
  const text = (row) => row.cells[column].textContent.trim();
  const lacks = (row) => !isText && Number.isNaN(figure(text(row)));
  const rows = [...body.rows].sort((a, b) =>
    lacks(a) || lacks(b)
      ? lacks(a) - lacks(b)
      : compare(text(a), text(b), isText) * (descends ? -1 : 1));
  body.append(...rows);
  for (const row of rows) row.classList.remove("part");
  const name = header.textContent.trim().replace(/\s+/g, " ");
  status.textContent = `Sorted by ${name}, ${descends ? "descending" : "ascending"}.`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const header of table.tHead.rows[0].querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, header));
  }
}

const form = document.getElementById("filters");

function show(element, isShown) {
  element.toggleAttribute("data-hidden", !isShown);
}

function filter() {
  const wanted = [...form.elements].filter((field) => field.name && field.value);
  const fits = (element) => wanted.every(
    ({ name, value }) => !(name in element.dataset) || element.dataset[name] === value);
  for (const element of document.querySelectorAll("figure, article, pre, li")) {
    show(element, fits(element));
  }
  let [shown, all] = [0, 0];
  for (const table of document.querySelectorAll("table.sortable")) {
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) show(row, fits(row));
    const left = rows.filter(fits).length;
    show(table.parentElement, left > 0);
    if (table.classList.contains("main")) [shown, all] = [shown + left, all + rows.length];
  }
  status.textContent = wanted.length ? `${shown} of ${all} rows are shown.` : "All rows are shown.";
}

if (form) {
  form.hidden = false;
  form.addEventListener("change", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  status.textContent = "";
}
