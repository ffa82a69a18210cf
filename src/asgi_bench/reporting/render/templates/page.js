// Sorting and filtering of what is already in the page: without this script the page is complete.
"use strict";
const status = document.getElementById("status");
const asked = new URLSearchParams(location.search);

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

// What is chosen is kept in the address, so that a link to the page shows the same.
function remember(name, value) {
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  try {
    history.replaceState(null, "", address);
  } catch {
    // Some browsers refuse it for a file; the page works all the same.
  }
}

function sort(table, header, descends) {
  const column = header.cellIndex;
  const isText = header.classList.contains("text");
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

const tables = [...document.querySelectorAll("table.sortable")];
for (const [place, table] of tables.entries()) {
  for (const header of table.tHead.rows[0].querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const descends = header.getAttribute("aria-sort") === "ascending";
      sort(table, header, descends);
      remember("sort", `${place}.${header.cellIndex}.${descends ? "down" : "up"}`);
    });
  }
}

// `sort=0.3.down`: the first table by its fourth column.
function sortAsRemembered() {
  const [place, column, way] = (asked.get("sort") ?? "").split(".");
  const header = tables[place]?.tHead.rows[0].cells[column];
  if (header?.tagName === "TH") sort(tables[place], header, way === "down");
}

for (const command of document.querySelectorAll("pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy command";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Can't copy here";
    }
    setTimeout(() => { button.textContent = "Copy command"; }, 2000);
  });
  command.prepend(button);
}

// On a narrow screen a chart is wider than the screen, and a button shows it as a whole.
for (const figure of document.querySelectorAll("figure")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "fit";
  button.textContent = "Fit to screen";
  button.setAttribute("aria-label", `Fit to screen: ${figure.querySelector("h3").textContent}`);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", figure.classList.toggle("fitted"));
  });
  figure.querySelector("figcaption").after(button);
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

function rememberFilters() {
  for (const field of form.elements) if (field.name) remember(field.name, field.value);
}

if (form) {
  form.hidden = false;
  for (const field of form.elements) {
    const value = field.name && asked.get(field.name);
    if ([...(field.options ?? [])].some((option) => option.value === value)) field.value = value;
  }
  const choose = () => { filter(); rememberFilters(); };
  form.addEventListener("change", choose);
  form.addEventListener("reset", () => setTimeout(choose));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
}
sortAsRemembered();
if (status && ![...asked.keys()].length) status.textContent = "";
